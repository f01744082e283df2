package ingress

import (
	"errors"
	"slices"
	"strings"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile/claim"
	"github.com/ingress421/ingress421/internal/compile/object"
	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/compile/snippet"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// annotation is a row of the table: all that there is to know of one annotation
// of an Ingress. What reads annotations, joins those of several Ingresses,
// reports on them and describes them are loops over the table, so that a new
// one is a row, a field of the terms that it sets, and the place that obeys.
type annotation struct {
	// name is ours, with the prefix.
	name string
	// scope is what it speaks of.
	scope scope
	// values says what it may be, for problems and the reference.
	values string
	// unset is what holds without it, does one sentence, for the reference.
	unset, does string
	// stems begin the names of an annotation that protects, in lower case and
	// without hyphens: a name that is not in the table and begins so is a
	// misspelt one, and costs what a bad value does.
	stems []string
	// bad is what a value that cannot be read costs.
	bad cost

	// Of the following there is one, which reads a value. Its error says what
	// is wrong where values do not say all.

	// host sets all that the annotation says of hosts, whatever was set before.
	host func(t *claim.Terms, value string) error
	// route sets what it says of the routes of its Ingress.
	route func(t *hostmap.Terms, value string) error
	// note keeps what is read when all annotations are known.
	note func(n *notes, value string) error
}

// scope is what an annotation speaks of.
type scope uint8

const (
	// ofHosts: all hosts of the Ingress. Of several Ingresses of a host the
	// oldest is heard.
	ofHosts scope = iota
	// ofRoutes: the paths of the Ingress alone.
	ofRoutes
	// ofBackends: the connections to the backends of the Ingress.
	ofBackends
)

// cost is what becomes of an Ingress whose annotation cannot be read. The rest
// of it is served in any case.
type cost uint8

const (
	// costNothing: the annotation has no effect.
	costNothing cost = iota
	// costRoutes: its paths are closed, 503 for everybody. What is to let some
	// clients in and others not must not let all of them in.
	costRoutes
	// costHosts: the hosts are refused.
	costHosts
	// costBackends: its backends are not reached.
	costBackends
)

// errUnlisted is the error of a value that is none of the values of its
// annotation, of which there is no more to say.
var errUnlisted = errors.New("")

// families is the table, each family in a file of its own.
var families = [...][]annotation{
	ruleAnnotations,
	clientAuthAnnotations,
	redirectAnnotations,
	hostAnnotations,
	rangeAnnotations,
	limitAnnotations,
	pathAnnotations,
	backendAnnotations,
}

// annotations yields the rows of the table.
func annotations(yield func(*annotation) bool) {
	for _, family := range families {
		for i := range family {
			if !yield(&family[i]) {
				return
			}
		}
	}
}

// annotationNamed returns a row, nil where the table has none of that name.
func annotationNamed(name string) *annotation {
	for row := range annotations {
		if row.name == name {
			return row
		}
	}
	return nil
}

// notes are the annotations of an Ingress, read. The zero value is what holds
// without any.
type notes struct {
	// says is what they say of the Ingress's hosts.
	says claim.Says
	// terms are what they say of its routes.
	terms hostmap.Terms
	// closed tells that its routes are closed.
	closed bool
	// useRegex tells that its paths of type ImplementationSpecific are regular
	// expressions.
	useRegex bool
	// clientAuth are those that ask for client certificates.
	clientAuth clientAuthNotes
	// aliases are canonical hosts, aliasList as they are written.
	aliases   []string
	aliasList string
	// upstream is how backends are reached.
	upstream object.Upstream
	// verify tells that backends are verified, by the CAs in caSecret.
	verify   bool
	caSecret string
	// The following are ingress-nginx's. object is whose they are, strict tells
	// that they close what they cannot protect. appRoot is where the path "/" is sent,
	// "" where it is not.
	object       hostmap.Object
	strict       bool
	redirectCode redirectCodes
	snippet      snippet.Snippet
	proxySSL     proxySSL
	cors         corsNotes
	quota        hostmap.Quota
	password     passwordNotes
	auth         authNotes
	affinity     affinityNotes
	hashBy       hashNotes
	appRoot      string
	// fromToWWW sends the hosts with www, or without, to those that are named.
	fromToWWW bool
	// defaultBackend is a Service that stands in for those without endpoints.
	defaultBackend string
	// canary leaves the rules out: they are for a share of what another Ingress
	// has, and must not take all of it.
	canary canaryNotes
}

// readAnnotations reads an Ingress's annotations. A bad value is a problem and
// costs what the table says.
func (r *reader) readAnnotations(ing *ingress) {
	for _, name := range ourAnnotations(ing.object.Annotations) {
		row := annotationNamed(name)
		if row == nil {
			r.unknownAnnotation(ing, name)
			continue
		}
		value := ing.object.Annotations[name]
		if ing.idleBehindGuard(row, value) {
			r.reportIdle(ing, row)
			continue
		}
		if err := ing.notes.read(row, name, value); err != nil {
			ing.notes.closed = ing.notes.closed || row.bad == costRoutes
			r.badValue(ing, row, value, err)
		}
	}
	r.readNginx(ing)
	r.readClientAuth(ing)
	r.readAliases(ing)
	r.readBackendCAs(ing)
	r.settleProxySSL(ing)
	if ing.notes.closed {
		// A redirect would tell what is behind.
		ing.notes.terms, ing.notes.upstream.Closed = hostmap.Terms{}, true
	}
}

// read reads the value of a row, by whatever name it stands there.
func (n *notes) read(row *annotation, name, value string) error {
	switch {
	case row.host != nil:
		var t claim.Terms
		err := row.host(&t, value)
		if err == nil {
			n.says.All = append(n.says.All, claim.Saying{Key: row.name, Name: name, Value: value, Set: row.host})
		}
		return err
	case row.route != nil:
		terms := n.terms
		err := row.route(&terms, value)
		if err == nil {
			n.terms = terms
		}
		return err
	}
	return row.note(n, value)
}

// ourAnnotations returns the names that are to be read, in order.
func ourAnnotations(all map[string]string) []string {
	var names []string
	for name := range all {
		if strings.HasPrefix(name, v1alpha1.AnnotationPrefix) || protects(name) != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (r *reader) badValue(ing *ingress, row *annotation, value string, err error) {
	want := row.values
	if !errors.Is(err, errUnlisted) {
		want += ": " + err.Error()
	}
	effect := "it has no effect"
	if row.bad == costRoutes {
		effect = "the paths of this Ingress are closed (503)"
	}
	r.problems.Add(ing.claims.Object, problem.AnnotationInvalid, "Annotation %s: %s is not %s; %s.", row.name, problem.Quote(value), want, effect)
}

// unknownAnnotation reports a name of ours that is not in the table. One that
// is meant to protect costs what a bad value of it does.
func (r *reader) unknownAnnotation(ing *ingress, name string) {
	meant, advice := nearest(name), "Correct its name or remove it."
	if meant != nil {
		advice = "Did you mean " + meant.name + "?"
	}
	cost := costNothing
	if row := protects(name); row != nil {
		cost = row.bad
	} else if meant != nil {
		cost = meant.bad
	}
	on := ing.claims.Object
	switch cost {
	case costHosts:
		ing.notes.clientAuth.misspelt = true
		r.problems.Add(on, problem.ClientAuthUnresolved, "Annotation %s is none that is read, and asks for client certificates by its name. Its hosts are refused; correct the name or remove it.", problem.Quote(name))
	case costRoutes:
		ing.notes.closed = true
		r.problems.Add(on, problem.AnnotationUnknown, "Annotation %s is none that is read, and asks for source ranges by its name. The paths of this Ingress are closed (503). %s", problem.Quote(name), advice)
	case costNothing, costBackends:
		r.problems.Add(on, problem.AnnotationUnknown, "Annotation %s is none that is read; it has no effect. %s", problem.Quote(name), advice)
	}
}

// protects returns the row that a name is meant for which begins as those do
// that protect, whatever its case and its hyphens: a misspelt one must not
// leave open what it is to close. An API server takes keys in any case.
func protects(name string) *annotation {
	const prefix = v1alpha1.AnnotationPrefix
	if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return nil
	}
	for row := range annotations {
		for _, stem := range row.stems {
			if beginsWith(name[len(prefix):], stem) {
				return row
			}
		}
	}
	return nil
}

// beginsWith tells whether a name begins with the letters of a stem.
func beginsWith(name, stem string) bool {
	n := 0
	for i := 0; i < len(name) && n < len(stem); i++ {
		switch c := name[i]; {
		case c == '-', c == '_', c == '.':
		case c|0x20 == stem[n]:
			n++
		default:
			return false
		}
	}
	return n == len(stem)
}

// nearest returns the row whose name is the most like one that is not in the
// table, nil where none is so by a slip of the hand or two.
func nearest(name string) (found *annotation) {
	const prefix = len(v1alpha1.AnnotationPrefix)
	if len(name) < prefix || len(name) > prefix+longestName {
		return nil
	}
	name = strings.ToLower(name[prefix:])
	least := slips + 1
	for row := range annotations {
		if d := distance(name, row.name[prefix:]); d < least {
			found, least = row, d
		}
	}
	return found
}

const (
	// slips are as many as a misspelt name may have.
	slips = 2
	// longestName bounds the names that are compared, without their prefix.
	longestName = 40
)

// distance is the number of octets to insert, delete, replace or swap with
// their neighbour that turn one word into another (optimal string alignment), or
// any number over slips. An Ingress has room for thousands of names: most differ
// by their length, or at once.
func distance(a, b string) int {
	if max(len(a)-len(b), len(b)-len(a)) > slips || len(b) > longestName {
		return slips + 1
	}
	var rows [3][longestName + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(last[j]+same, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
			least = min(least, row[j+1])
		}
		// A swap looks back two rows, by one at most.
		if least > slips+1 {
			return least
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// boolean reads "true" or "false", and nothing else.
func boolean(to *bool, value string) error {
	switch value {
	case "true", "false":
		*to = value == "true"
		return nil
	}
	return errUnlisted
}

const booleans = `"true" or "false"`
