package hostmap

import (
	"errors"
	"fmt"
	"strings"
)

// CheckRewriteTarget tells what is wrong with a rewrite target of a route: it
// must be a canonical path (see [Path]), and may name the groups of a [Regex]
// route's path as $1 to $9; $0 is all that it has matched.
func (r *Route) CheckRewriteTarget(target string) error {
	if canonical, err := Path(target); err != nil || canonical != target {
		return errors.New("is no path: it must begin with '/' and have no dot segments, spaces, '?' or '#'")
	}
	groups := -1
	if r.Type == Regex {
		groups = r.Regex.Groups()
	}
	for i := range len(target) {
		n, ok := groupAt(target, i)
		if ok && n > groups {
			if groups < 0 {
				return fmt.Errorf("names the group $%d, and the path is no regular expression", n)
			}
			return fmt.Errorf("names the group $%d, and the path has %d", n, groups)
		}
	}
	return nil
}

// groupAt reads the name of a group, one digit.
func groupAt(target string, i int) (n int, ok bool) {
	if target[i] != '$' || i+1 == len(target) || target[i+1] < '0' || target[i+1] > '9' {
		return 0, false
	}
	return int(target[i+1] - '0'), true
}

// Rewrite returns what the backend of a route is asked for in place of a
// canonical path that the route matches. Of a [Prefix] route the prefix is
// replaced by the RewriteTarget of its terms and what follows is kept, as
// Gateway API has it (HTTPPathModifier, ReplacePrefixMatch); of an [Exact] or a
// [Regex] route the whole path is, with the groups that were
// captured. Without a target the path stays.
//
// The error is [ErrPath]: a group can be part of a segment, so that the outcome
// would have dot segments, by which a client would leave the target.
func (r *Route) Rewrite(path string) (string, error) {
	target := r.Terms.RewriteTarget
	if target == "" {
		return path, nil
	}
	switch {
	case r.Default:
		target = underTarget(target, path)
	case r.Type == Regex:
		target = r.expand(target, path)
	case r.Type == Prefix:
		target = underTarget(target, path[len(strings.TrimSuffix(r.Path, "/")):])
	}
	if canonical, err := Path(target); err != nil || canonical != target {
		return "", ErrPath
	}
	return target, nil
}

// underTarget is what follows a prefix, which begins with a slash or is nothing,
// below a target.
func underTarget(target, path string) string {
	if path = strings.TrimSuffix(target, "/") + path; path == "" {
		return "/"
	}
	return path
}

// expand puts what the route captures of a path in place of the groups' names.
func (r *Route) expand(target, path string) string {
	at := r.Regex.re.FindStringSubmatchIndex(path)
	var b strings.Builder
	for i := 0; i < len(target); i++ {
		n, ok := groupAt(target, i)
		if !ok {
			b.WriteByte(target[i])
			continue
		}
		i++
		// A group that took no part is "".
		if 2*n+1 < len(at) && at[2*n] >= 0 {
			b.WriteString(path[at[2*n]:at[2*n+1]])
		}
	}
	return b.String()
}
