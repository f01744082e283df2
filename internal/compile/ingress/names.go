package ingress

// AnnotationNames are the names of all annotations that are read.
func AnnotationNames() []string {
	var names []string
	for row := range annotations {
		names = append(names, row.name)
	}
	return names
}
