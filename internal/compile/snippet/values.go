package snippet

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

var errValue = errors.New("its values are not understood")

// template turns nginx's variables into those of templates. known are the values
// of those that are known beforehand.
func template(text string, known map[string]string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "$")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name := ""
		if inner, ok := strings.CutPrefix(rest, "{"); ok {
			if name, text, ok = strings.Cut(inner, "}"); !ok {
				return "", errValue
			}
		} else {
			name = rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))]
			text = rest[len(name):]
		}
		name = canonicalName(name)
		value, given := known[name]
		switch {
		case given:
			b.WriteString(value)
		case hostmap.KnownVariable(name):
			b.WriteString(hostmap.VariableText(name))
		default:
			return "", fmt.Errorf("the variable %.40q is not understood", name)
		}
	}
}

// canonicalName is the one name of a variable that has several.
func canonicalName(name string) string {
	switch name {
	case "document_uri":
		return "uri"
	case "best_http_host":
		// What a gateway says of the host does not change who is asked.
		return "http_host"
	}
	return name
}

// Location reads where a redirect leads, with nginx's variables.
func Location(text string) (string, error) { return location(text, nil) }

// Text reads a text with nginx's variables, which may stand in a field.
func Text(text string) (string, error) { return fieldValue(text, nil) }

// FieldName reads the name of a field that may be changed.
func FieldName(text string) (string, error) { return fieldName(text) }

// Duration reads a time as nginx writes it.
func Duration(text string) (time.Duration, error) { return duration(text) }

// location reads where a redirect leads: a URL, whose host is no part of what the
// client chooses but its own host, or an absolute path.
func location(text string, known map[string]string) (string, error) {
	out, err := template(text, known)
	if err != nil {
		return "", err
	}
	for _, scheme := range []string{"http://", "https://", hostmap.VariableText("scheme") + "://", hostmap.VariableText("pass_access_scheme") + "://"} {
		after, ok := strings.CutPrefix(out, scheme)
		if !ok {
			continue
		}
		for _, host := range []string{hostmap.VariableText("host"), hostmap.VariableText("http_host")} {
			if tail, ok := strings.CutPrefix(after, host); ok {
				return out, checkTail(tail)
			}
		}
		i := 0
		for i < len(after) && (after[i] == '-' || after[i] == '.' || after[i] == ':' || '0' <= after[i] && after[i] <= '9' || 'a' <= after[i]|0x20 && after[i]|0x20 <= 'z') {
			i++
		}
		if _, _, err := hostmap.Authority(after[:i]); err != nil {
			return "", errValue
		}
		return out, checkTail(after[i:])
	}
	if !strings.HasPrefix(out, "/") || strings.HasPrefix(out, "//") || strings.HasPrefix(out, "/${") {
		return "", errValue
	}
	return out, checkTail(out)
}

// checkTail tells what is wrong with what follows the host of a URL.
func checkTail(tail string) error {
	if tail != "" && !strings.ContainsAny(tail[:1], "/?#$") {
		return errValue
	}
	if name, _, ok := strings.Cut(strings.TrimPrefix(tail, "${"), "}"); ok && strings.HasPrefix(tail, "${") && name != "request_uri" && name != "uri" && name != "is_args" {
		return errValue
	}
	for i := range len(tail) {
		if c := tail[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return errValue
		}
	}
	return nil
}

// duration reads a time: numbers with ms, s, m, h or d, or seconds.
func duration(text string) (d time.Duration, err error) {
	units := []struct {
		name string
		of   time.Duration
	}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}
	for rest := text; rest != ""; {
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			return 0, errValue
		}
		rest = rest[len(digits):]
		unit := time.Second
		found := rest == ""
		for _, u := range units {
			if tail, ok := strings.CutPrefix(rest, u.name); ok && !found {
				unit, rest, found = u.of, tail, true
			}
		}
		if !found {
			return 0, errValue
		}
		d += time.Duration(n) * unit
	}
	if d <= 0 || d > 365*24*time.Hour {
		return 0, errValue
	}
	return d, nil
}

// size reads a number of octets, or of k, m or g of them.
func size(text string) (int64, error) {
	shift := 0
	if text != "" {
		switch text[len(text)-1] | 0x20 {
		case 'k':
			shift = 10
		case 'm':
			shift = 20
		case 'g':
			shift = 30
		}
	}
	if shift != 0 {
		text = text[:len(text)-1]
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, errValue
	}
	return int64(n) << shift, nil
}

// network reads an address or a CIDR.
func network(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return p, errValue
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() {
		return p, errValue
	}
	return p, nil
}

// fieldName reads the name of a field that may be changed: a token, and none by
// which messages are framed or connections kept.
func fieldName(text string) (string, error) {
	name := strings.ToLower(text)
	if name == "" || name[0] == '-' || strings.Trim(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return "", errValue
	}
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "trailer", "http2-settings",
		"content-length", "host", "expect", hostmap.LoopField:
		return "", fmt.Errorf("the field %s is not for it to change", name)
	}
	return name, nil
}

// fieldValue reads the value of a field.
func fieldValue(text string, known map[string]string) (string, error) {
	for i := range len(text) {
		if c := text[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "", errValue
		}
	}
	return template(strings.Trim(text, " \t"), known)
}
