package corpus

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// chart is a case.
type chart struct {
	name, about string
	file        string
	archive     *txtar.Archive
	yaml        string // its Ingresses
	ingresses   []*networkingv1.Ingress
	want        []exchange
}

// exchange is a line of a case: a request, and an answer.
type exchange struct {
	request string // the line up to its sign
	answer  string // and after it
	method  string
	url     string
	words   map[string]string // of the request
}

// status is the status that is wanted.
func (e *exchange) status() int {
	n, _ := strconv.Atoi(strings.Fields(e.answer)[0])
	return n
}

func readCharts(t *testing.T) []*chart {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no charts: %v", err)
	}
	var all []*chart
	for _, file := range files {
		all = append(all, readChart(t, file))
	}
	return all
}

func readChart(t *testing.T, file string) *chart {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &chart{
		name: strings.TrimSuffix(filepath.Base(file), ".txtar"), file: file, archive: archive,
		about: strings.TrimSpace(string(archive.Comment)),
	}
	c.yaml = c.part("ingress.yaml")
	for text := range strings.SplitSeq(c.yaml, "---\n") {
		i := new(networkingv1.Ingress)
		if err := yaml.UnmarshalStrict([]byte(text), i); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		c.ingresses = append(c.ingresses, i)
	}
	for line := range strings.Lines(c.part("want")) {
		request, answer, ok := strings.Cut(strings.TrimSpace(line), " -> ")
		words := strings.Fields(request)
		if !ok || len(words) < 2 {
			t.Fatalf("%s: no request and answer: %s", file, line)
		}
		e := exchange{request: request, answer: answer, method: words[0], url: words[1], words: make(map[string]string)}
		for _, word := range words[2:] {
			name, value, _ := strings.Cut(word, "=")
			e.words[name] = value
		}
		c.want = append(c.want, e)
	}
	return c
}

// part is the text of a file of the archive, "" without it.
func (c *chart) part(name string) string {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// setPart replaces a file of the archive; "" removes it.
func (c *chart) setPart(name, text string) {
	c.archive.Files = slices.DeleteFunc(c.archive.Files, func(f txtar.File) bool { return f.Name == name })
	if text != "" {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(text)})
	}
}

// backend is a Service port that Ingresses name.
type backend struct {
	namespace, service string
	port               networkingv1.ServiceBackendPort
	tls                bool
}

func (c *chart) backends() []backend {
	var all []backend
	for _, i := range c.ingresses {
		protocol := strings.ToUpper(i.Annotations[nginx+"backend-protocol"])
		for _, rule := range i.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				b := backend{i.Namespace, p.Backend.Service.Name, p.Backend.Service.Port, protocol == "HTTPS" || protocol == "GRPCS"}
				if !slices.Contains(all, b) {
					all = append(all, b)
				}
			}
		}
	}
	return all
}

// servicePort is the port of a Service that an Ingress means.
func (b *backend) servicePort() corev1.ServicePort {
	if b.port.Number == 0 {
		return corev1.ServicePort{Name: b.port.Name, Port: 80}
	}
	return corev1.ServicePort{Name: "web", Port: b.port.Number}
}

const nginx = "nginx.ingress.kubernetes.io/"
