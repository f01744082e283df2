package ingress

import (
	"slices"
	"strings"

	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/snippet"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const snippetRemark = "Read as data, never executed: [what is understood](#snippets). Else all of it has no effect."

// nginxSnippetAnnotations are pieces of nginx's configuration.
var nginxSnippetAnnotations = []nginxAnnotation{
	{
		name: "configuration-snippet", fate: near, protects: true, idle: []string{""},
		remark: snippetRemark,
		note: func(n *notes, value string) (err error) {
			n.snippet, err = readSnippet(n, value, snippet.OfLocation)
			return err
		},
	},
	{
		name: "server-snippet", fate: near, protects: true, idle: []string{""},
		remark: snippetRemark + " Of several Ingresses of a host the oldest is heard; the paths of one that keeps somebody out, and says otherwise, are closed there.",
		note: func(n *notes, value string) error {
			s, err := readSnippet(n, value, snippet.OfServer)
			if err == nil {
				n.says.All = append(n.says.All, claim.Saying{
					Key: "server-snippet", Name: nginxPrefix + "server-snippet", Value: value,
					// Fields of responses keep nobody out.
					Protects: n.strict && s.Terms != hostmap.Terms{ResponseFields: s.Terms.ResponseFields},
					Set:      func(t *claim.Terms, _ string) error { t.Server = claim.ServerTerms(s.Terms); return nil },
				})
			}
			return err
		},
	},
	{name: "stream-snippet", fate: refused, protects: true, idle: []string{""}, remark: "Streams are not served."},
	{name: "auth-snippet", fate: refused, protects: true, idle: []string{""}, remark: "Requests for authentication have the fields that the other annotations name."},
}

// lostError says in a sentence why an annotation has no effect.
type lostError string

func (e lostError) Error() string { return string(e) }

func readSnippet(n *notes, value string, level snippet.Level) (snippet.Snippet, error) {
	if strings.TrimSpace(value) == "" {
		return snippet.Snippet{}, nil
	}
	s, err := snippet.Read(value, level, map[string]string{"namespace": n.object.Namespace, "ingress_name": n.object.Name})
	if err != nil {
		return s, lostError("It is not understood: " + err.Error() + ".")
	}
	return s, nil
}

// settleSnippet adds to the terms of routes what a snippet has. Where another
// annotation says the same, that is heard; who is denied by either is.
func settleSnippet(t *hostmap.Terms, s *hostmap.Terms) {
	t.Answers = s.Answers
	t.RequestFields = t.RequestFields.Then(s.RequestFields)
	t.ResponseFields = t.ResponseFields.Then(s.ResponseFields)
	if t.Allow == (hostmap.Ranges{}) {
		t.Allow = s.Allow
	}
	if s.Deny != (hostmap.Ranges{}) {
		t.Deny = hostmap.NewRanges(slices.Concat(t.Deny.Prefixes(), s.Deny.Prefixes())...)
	}
	if t.MaxBodySize == 0 {
		t.MaxBodySize = s.MaxBodySize
	}
	if t.ConnectTimeout == 0 {
		t.ConnectTimeout = s.ConnectTimeout
	}
	if t.ReadTimeout == 0 {
		t.ReadTimeout = s.ReadTimeout
	}
	if t.SendTimeout == 0 {
		t.SendTimeout = s.SendTimeout
	}
}

// nginxRedirect reads a redirect whose target may have variables of nginx's.
func nginxRedirect(t *hostmap.Terms, status int, target string) error {
	if !strings.Contains(target, "$") {
		return redirect(t, status, target)
	}
	text, err := snippet.Location(target)
	if err == nil {
		t.Redirect = hostmap.Redirect{Status: status, Target: text}
	}
	return err
}
