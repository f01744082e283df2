package manifests

import (
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// written is a document as it is written, which is looked at only where
// somebody asks for a line. It may be used from one goroutine at a time.
type written struct {
	objects func() map[hostmap.Object]*yaml.Node
	before  int // lines of the file before the document
}

func newWritten(doc document) *written {
	return &written{before: doc.line - 1, objects: sync.OnceValue(func() map[hostmap.Object]*yaml.Node {
		found := make(map[hostmap.Object]*yaml.Node)
		var root yaml.Node
		if err := yaml.Unmarshal(doc.text, &root); err == nil && len(root.Content) != 0 {
			gather(root.Content[0], "", found)
		}
		return found
	})}
}

// gather finds the objects of a value that is one, or a list of them. implied
// is the kind of those that name none.
func gather(n *yaml.Node, implied string, found map[hostmap.Object]*yaml.Node) {
	kind := implied
	if k := child(n, "kind"); k != nil {
		kind = k.Value
	}
	if item, list := strings.CutSuffix(kind, "List"); list {
		if items := child(n, "items"); items != nil {
			for _, i := range items.Content {
				gather(i, item, found)
			}
		}
		return
	}
	o := hostmap.Object{Kind: kind, Namespace: corev1.NamespaceDefault}
	if meta := child(n, "metadata"); meta != nil {
		if name := child(meta, "name"); name != nil {
			o.Name = name.Value
		}
		if namespace := child(meta, "namespace"); namespace != nil && namespace.Value != "" {
			o.Namespace = namespace.Value
		}
	}
	if kind == "IngressClass" {
		o.Namespace = ""
	}
	if found[o] == nil {
		found[o] = n
	}
}

// position is where an object of the document is.
func (w *written) position(o object) source.Position {
	p := source.Position{File: o.file, Line: o.line}
	p.Find = func(field string) (line, column int) {
		n := w.objects()[o.Object]
		if n == nil {
			return o.line, 1
		}
		at := find(n, field)
		return w.before + at.Line, at.Column
	}
	return p
}

// find is where a field of an object begins, or the innermost around it.
func find(n *yaml.Node, field string) *yaml.Node {
	at := n
	for field != "" {
		var name string
		switch end := strings.IndexAny(field, ".["); {
		case field[0] == '[':
			name, field, _ = strings.Cut(field[1:], "]")
		case end < 0:
			name, field = field, ""
		default:
			name, field = field[:end], field[end:]
		}
		field = strings.TrimPrefix(field, ".")
		if n.Kind == yaml.SequenceNode {
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(n.Content) {
				return at
			}
			n = n.Content[i]
			at = n
			continue
		}
		key := keyOf(n, name)
		if key < 0 {
			return at
		}
		at, n = n.Content[key], n.Content[key+1]
	}
	return at
}

// child is the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if i := keyOf(n, key); i >= 0 {
		return n.Content[i+1]
	}
	return nil
}

// keyOf is where the content of a mapping has a key, or -1.
func keyOf(n *yaml.Node, key string) int {
	if n.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// positions are where the objects of files that are read once are written.
func positions(objects []object) map[hostmap.Object]source.Position {
	found := make(map[hostmap.Object]source.Position, len(objects))
	for _, o := range objects {
		found[o.Object] = o.written.position(o)
	}
	return found
}
