package snippet

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// directives are those that are understood, beside blocks and what is not needed.
func directives(name string) func(r *reader, args []string) error {
	switch name {
	case "more_set_headers":
		return func(r *reader, args []string) error { return r.moreHeaders(&r.fields.set, args) }
	case "more_clear_headers":
		return func(r *reader, args []string) error { return clearHeaders(&r.fields.set, args) }
	case "more_set_input_headers":
		return func(r *reader, args []string) error { return r.inputHeaders(r.moreHeaders, args) }
	case "more_clear_input_headers":
		return func(r *reader, args []string) error { return r.inputHeaders(clearHeaders, args) }
	case "add_header":
		return (*reader).addHeader
	case "proxy_hide_header":
		return func(r *reader, args []string) error {
			if len(args) != 1 {
				return errValue
			}
			return clearHeaders(&r.fields.hidden, args)
		}
	case "proxy_set_header":
		return (*reader).proxySetHeader
	case "client_max_body_size":
		return (*reader).bodySize
	case "proxy_connect_timeout":
		return func(r *reader, args []string) error { return r.timeout(&r.out.Terms.ConnectTimeout, args) }
	case "proxy_read_timeout":
		return func(r *reader, args []string) error { return r.timeout(&r.out.Terms.ReadTimeout, args) }
	case "proxy_send_timeout":
		return func(r *reader, args []string) error { return r.timeout(&r.out.Terms.SendTimeout, args) }
	case "default_type":
		return func(r *reader, args []string) error {
			if len(args) != 1 {
				return errValue
			}
			value, err := fieldValue(args[0], nil)
			if hostmap.IsTemplate(value) {
				return errValue
			}
			r.mediaType = value
			return err
		}
	case "return":
		return (*reader).returns
	case "rewrite":
		return (*reader).rewrite
	case "allow":
		return func(r *reader, args []string) error { return r.addAccess(true, args) }
	case "deny":
		return func(r *reader, args []string) error { return r.addAccess(false, args) }
	}
	return nil
}

// unneeded tells whether a directive sets what has no counterpart here, and
// nothing is lost.
func unneeded(d *directive) bool {
	switch d.name {
	case "proxy_buffering", "proxy_request_buffering", "proxy_buffer_size", "proxy_buffers", "proxy_busy_buffers_size",
		"proxy_max_temp_file_size", "proxy_temp_file_write_size", "client_body_buffer_size", "client_header_buffer_size",
		"large_client_header_buffers", "proxy_headers_hash_max_size", "proxy_headers_hash_bucket_size",
		"proxy_http_version", "chunked_transfer_encoding", "tcp_nodelay", "tcp_nopush", "sendfile",
		"keepalive_timeout", "keepalive_requests", "client_body_timeout", "client_header_timeout", "send_timeout",
		"access_log", "log_not_found", "error_log", "server_tokens", "http2_push_preload",
		"proxy_ssl_server_name", "proxy_ssl_session_reuse", "proxy_socket_keepalive", "proxy_pass_header",
		"underscores_in_headers", "gzip", "gzip_types", "gzip_min_length", "gzip_comp_level", "gzip_vary",
		"gzip_proxied", "gzip_disable", "gzip_buffers", "gzip_http_version":
		return true
	case "proxy_redirect", "proxy_intercept_errors", "proxy_ssl_verify":
		return len(d.args) == 1 && d.args[0] == "off"
	case "proxy_set_header":
		// How nginx lets a WebSocket pass, which passes here unasked.
		if len(d.args) != 2 {
			return false
		}
		switch strings.ToLower(d.args[0]) {
		case "upgrade":
			return d.args[1] == "$http_upgrade"
		case "connection":
			return strings.EqualFold(d.args[1], "upgrade") || d.args[1] == "$connection_upgrade" || d.args[1] == "$http_connection" || d.args[1] == ""
		case "host":
			return d.args[1] == "$host" || d.args[1] == "$http_host" || d.args[1] == "$best_http_host"
		}
	}
	return false
}

// moreHeaders reads "Name: value" of the module headers-more. Without a value the
// field goes.
func (r *reader) moreHeaders(to *[]hostmap.FieldEdit, args []string) error {
	if len(args) == 0 {
		return errValue
	}
	for _, arg := range args {
		text, value, _ := strings.Cut(arg, ":")
		name, err := fieldName(strings.TrimSpace(text))
		if err != nil {
			return err
		}
		if value, err = fieldValue(value, r.known); err != nil {
			return err
		}
		edit := hostmap.FieldEdit{Op: hostmap.SetField, Name: name, Value: value}
		if value == "" {
			edit.Op = hostmap.RemoveField
		}
		*to = append(*to, edit)
	}
	return nil
}

func clearHeaders(to *[]hostmap.FieldEdit, args []string) error {
	if len(args) == 0 {
		return errValue
	}
	for _, arg := range args {
		if strings.Contains(arg, "*") {
			return errValue // a pattern of the module's own
		}
		name, err := fieldName(strings.TrimSuffix(arg, ":"))
		if err != nil {
			return err
		}
		*to = append(*to, hostmap.FieldEdit{Op: hostmap.RemoveField, Name: name})
	}
	return nil
}

// inputHeaders reads edits of a request's fields. Unlike proxy_set_header those of
// a server hold in nginx for all locations, and a server has none here: what
// clients must not say would pass.
func (r *reader) inputHeaders(read func(to *[]hostmap.FieldEdit, args []string) error, args []string) error {
	if r.level != OfLocation || r.inner != "" {
		return errValue
	}
	return read(&r.request, args)
}

func (r *reader) addHeader(args []string) error {
	if len(args) < 2 || len(args) > 3 || len(args) == 3 && args[2] != "always" {
		return errValue
	}
	name, err := fieldName(args[0])
	if err != nil {
		return err
	}
	value, err := fieldValue(args[1], r.known)
	r.fields.added = append(r.fields.added, hostmap.FieldEdit{Op: hostmap.AddField, Name: name, Value: value, Unsuccessful: len(args) == 3})
	return err
}

func (r *reader) proxySetHeader(args []string) error {
	if len(args) != 2 || r.inner != "" {
		return errValue
	}
	name, err := fieldName(args[0])
	if err != nil {
		return err
	}
	value, err := fieldValue(args[1], r.known)
	edit := hostmap.FieldEdit{Op: hostmap.SetField, Name: name, Value: value}
	if value == "" {
		edit.Op = hostmap.RemoveField
	}
	r.request = append(r.request, edit)
	return err
}

func (r *reader) bodySize(args []string) error {
	if len(args) != 1 || r.inner != "" {
		return errValue
	}
	n, err := size(args[0])
	if r.level == OfLocation {
		// A location of ingress-nginx has its own in any case.
		r.out.Terms.MaxBodySize, r.out.Unbounded = n, n == 0
	}
	return err
}

func (r *reader) timeout(to *time.Duration, args []string) error {
	if len(args) != 1 || r.inner != "" {
		return errValue
	}
	d, err := duration(args[0])
	if r.level == OfLocation {
		*to = d
	}
	return err
}

func (r *reader) returns(args []string) error {
	a := hostmap.Answer{Status: 302}
	switch len(args) {
	case 1:
		status, err := strconv.Atoi(args[0])
		if err == nil {
			a.Status = status
			break
		}
		if a.Text, err = location(args[0], r.known); err != nil || strings.HasPrefix(a.Text, "/") {
			return errValue
		}
	case 2:
		var err error
		if a.Status, err = strconv.Atoi(args[0]); err != nil {
			return errValue
		}
		if a.Redirects() {
			a.Text, err = location(args[1], r.known)
		} else {
			a.Text, err = template(args[1], r.known)
		}
		if err != nil {
			return err
		}
	default:
		return errValue
	}
	// 421 is ours to say, and 444 and those of its kind are no answers.
	if a.Status < 200 || a.Status == 421 || a.Status == 444 || a.Status == 499 || a.Status > 599 || a.Redirects() && a.Text == "" {
		return errValue
	}
	r.answers = append(r.answers, a)
	return nil
}

func (r *reader) addAccess(allow bool, args []string) error {
	if len(args) != 1 || r.inner == blockIf {
		return errValue
	}
	a := access{allow: allow, all: args[0] == "all"}
	if !a.all {
		var err error
		if a.network, err = network(args[0]); err != nil {
			return err
		}
	}
	if r.inner == blockLocation {
		if allow || !a.all {
			return errValue
		}
		r.denied = true
		return nil
	}
	if a.network.IsValid() && a.network.Bits() == 0 && a.network.Addr() == netip.IPv4Unspecified() {
		return errValue // nearly all: whoever writes it forgets IPv6
	}
	r.access = append(r.access, a)
	return nil
}
