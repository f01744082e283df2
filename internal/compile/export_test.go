package compile

// AnnotationNames are those of the table.
func AnnotationNames() []string {
	var names []string
	for row := range annotations {
		names = append(names, row.name)
	}
	return names
}
