package snippet

import (
	"strings"
	"testing"
)

// read is what a snippet asks for, as text, or why it is not understood.
func read(text string, level Level) string {
	s, err := Read(text, level, map[string]string{"namespace": "shop"})
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	t := &s.Terms
	if text := t.Answers.String(); text != "[]" {
		out = append(out, "answers "+text)
	}
	if text := t.RequestFields.String(); text != "[]" {
		out = append(out, "request "+text)
	}
	if text := t.ResponseFields.String(); text != "[]" {
		out = append(out, "response "+text)
	}
	if text := t.Allow.String(); text != "" {
		out = append(out, "allow "+text)
	}
	if text := t.Deny.String(); text != "" {
		out = append(out, "deny "+text)
	}
	if t.MaxBodySize != 0 {
		out = append(out, "size")
	}
	if s.Unbounded {
		out = append(out, "unbounded")
	}
	for _, d := range []string{t.ConnectTimeout.String(), t.ReadTimeout.String(), t.SendTimeout.String()} {
		if d != "0s" {
			out = append(out, d)
		}
	}
	return strings.Join(out, "; ")
}

// Snippets of Ingresses that people have, and of those who want to get around
// the reader.
func TestSnippetsOfLocations(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"# only a comment", ""},
		{`more_set_headers "X-Frame-Options: DENY";`, `response [set x-frame-options: "DENY"]`},
		{"more_set_headers 'A: 1' \"B:2\";\nmore_clear_headers Server X-Powered-By;", `response [set a: "1", set b: "2", remove server, remove x-powered-by]`},
		{`more_set_headers "Server";`, `response [remove server]`},
		{`more_set_headers "X-Host: $host:$request_uri";`, `response [set x-host: "${host}:${request_uri}"]`},
		{`more_set_headers "X-Of: ${namespace}";`, `response [set x-of: "shop"]`},
		{`add_header X-A "a;b # c" always; add_header X-B 'it''s';`, "error: "},
		{`add_header X-A "a;b # c" always; add_header X-B it\'s;`, `response [add x-a: "a;b # c" always, add x-b: "it's"]`},
		{`proxy_hide_header X-A; add_header X-A b; more_set_headers "X-C: d";`, `response [remove x-a, set x-c: "d", add x-a: "b"]`},
		{`proxy_set_header X-Forwarded-Proto https; proxy_set_header Accept-Encoding "";`, `request [set x-forwarded-proto: "https", remove accept-encoding]`},
		{`proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_http_version 1.1;`, ""},
		{"proxy_ssl_verify off;", ""},
		{"proxy_ssl_verify on;", "error: "},
		{`more_set_input_headers "X-User: $http_x_user"; more_clear_input_headers Authorization;`, `request [set x-user: "${http_x_user}", remove authorization]`},
		{"client_max_body_size 8m; proxy_read_timeout 1h30m; proxy_send_timeout 600; proxy_connect_timeout 500ms;", "size; 500ms; 1h30m0s; 10m0s"},
		{"client_max_body_size 0;", "unbounded"},
		{"proxy_buffering off;\nproxy_buffers 8 16k;", ""},

		{"return 403;", "answers [403]"},
		{"return 204;", "answers [204]"},
		{`return 200 "ok";`, `answers [200 "ok" text/html]`},
		{`default_type application/json; return 200 '{"a":1}';`, `answers [200 "{\"a\":1}" application/json]`},
		{"return 301 https://new.example$request_uri;", `answers [301 "https://new.example${request_uri}"]`},
		{"return https://new.example/;", `answers [302 "https://new.example/"]`},
		{"return 308 $scheme://$host/new$is_args$args;", `answers [308 "${scheme}://${host}/new${is_args}${args}"]`},
		{"return 301 https://evil.example.$host/;", "error: "},
		{"return 301 https://new.example.$http_x/;", "error: "},
		{"return 301 $http_x;", "error: "},
		{"return 301 //evil.example/;", "error: "},
		{"return 301;", "error: "},
		{"return 444;", "error: "},
		{"return 421;", "error: "},
		{"return 100;", "error: "},

		{"deny all;", "deny 0.0.0.0/0,::/0"},
		{"allow 10.0.0.0/8; allow 192.168.1.1; deny all;", "allow 10.0.0.0/8,192.168.1.1/32"},
		{"deny 10.1.0.0/16; allow 10.0.0.0/8; deny all;", "allow 10.0.0.0/8; deny 10.1.0.0/16"},
		{"deny 10.1.0.0/16;", "deny 10.1.0.0/16"},
		{"allow 10.1.0.0/16;", ""},
		{"allow 10.0.0.0/8; deny 10.1.0.0/16; deny all;", "error: "},
		{"deny all; allow 10.0.0.0/8;", "error: "},
		{"allow everybody;", "error: "},
		{"allow unix:;", "error: "},

		{`if ($request_method = 'OPTIONS') { add_header Allow "GET"; return 204; }`, `answers [204 where request_method is ["OPTIONS"] fields=[add allow: "GET"]]`},
		{`if ($http_user_agent ~* (bot|crawler|Spider)) { return 403; }`, `answers [403 where http_user_agent contains (any case) ["bot" "crawler" "spider"]]`},
		{`if ($host != "www.a.example" ) { return 301 https://www.a.example$request_uri; }`, `answers [301 "https://www.a.example${request_uri}" where host not is ["www.a.example"]]`},
		{`if ($http_x_key) { return 403; }`, `answers [403 where http_x_key not is ["" "0"]]`},
		{`if ($uri ~ ^/(admin|private)/.*) { return 404; }`, `answers [404 where uri begins with ["/admin/" "/private/"]]`},
		{`if ($request_uri ~ "\.(php|asp)x?$") { return 403; }`, `answers [403 where request_uri ends with [".phpx" ".php" ".aspx" ".asp"]]`},
		{`if ($uri ~ "^/v[0-9]+/") { return 403; }`, "error: "},
		{`if ($uri ~ "^/(?!public)") { return 403; }`, "error: "},
		{`if ($uri ~* "\S") { return 403; }`, "error: "},
		{`if ($uri ~* "\.GIT$") { return 403; }`, `answers [403 where uri ends with (any case) [".git"]]`},
		{`if ($cookie_A = b) { return 403; }`, `answers [403 where cookie_A is ["b"]]`},
		{`if ($arg_a = b) { return 403; }`, "error: "},
		{`if ($host = a) { proxy_pass http://x; }`, "error: "},
		{`if ($host = a) { return 403; return 404; }`, "error: "},
		{`if ($host = a) { if ($host = a) { return 403; } }`, "error: "},
		{`if (-f $request_filename) { return 403; }`, "error: "},
		{`if ($host = a) { add_header A b; }`, "error: "},

		{"rewrite ^ https://new.example$request_uri? permanent;", `answers [301 "https://new.example${request_uri}"]`},
		{"rewrite ^(.*)$ https://new.example$1 redirect;", `answers [302 "https://new.example${uri}${is_args}${args}"]`},
		{"rewrite ^(/dashboard)$ $1/ redirect;", `answers [302 "/dashboard/${is_args}${args}" where uri is ["/dashboard"]]`},
		{"rewrite ^/a(.*)$ /b$1 permanent;", "error: "},
		{"rewrite ^/a /b break;", "error: "},

		{`proxy_pass http://evil;`, "error: "},
		{`lua_code "x";`, "error: "},
		{`content_by_lua_block { os.execute("x") }`, "error: "},
		{`location / { return 403; }`, "error: "},
		{`auth_basic off;`, "error: "},
		{`satisfy any;`, "error: "},
		{`} location / {`, "error: "},
		{`return 403`, "error: "},
		{`return 403;}`, "error: "},
		{`"return" 403;`, "answers [403]"},
		{`more_set_headers "Content-Length: 1";`, "error: "},
		{`more_set_headers "A: b` + "\r\n" + `Set-Cookie: x";`, "error: "},
		{`more_set_headers "A: \n";`, "error: "},
		{`more_set_headers "A: b\nC: d";`, "error: "},
		{`more_set_headers -s 404 "A: b";`, "error: "},
		{`more_clear_headers "X-*";`, "error: "},
		{`proxy_set_header Host evil;`, "error: "},
		{`proxy_set_header Transfer-Encoding chunked;`, "error: "},
		{`add_header A $unknown;`, "error: "},
		{`add_header A $;`, "error: "},
		{`add_header A ${host;`, "error: "},
	} {
		got := read(c.text, OfLocation)
		if got != c.want && !(c.want == "error: " && strings.HasPrefix(got, c.want)) {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestSnippetsOfServers(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"client_max_body_size 8m; proxy_set_header A b;", ""}, // every location has its own
		{"location /metrics { deny all; }", `answers [403 where uri begins with ["/metrics"]]`},
		{"location /metrics { deny all; return 404; }", `answers [404 where uri begins with ["/metrics"]]`},
		{
			"location /a { return 403; }\nlocation /ab { return 404; }\nlocation = /a { return 200 ok; }\nlocation ~* \\.git { deny all; access_log off; }",
			`answers [200 "ok" text/html where uri is ["/a"], 403 where uri contains (any case) [".git"], 404 where uri begins with ["/ab"], 403 where uri begins with ["/a"]]`,
		},
		{"location ^~ /a { return 403; }\nlocation ~ b { return 404; }\nlocation /c { return 410; }", `answers [403 where uri begins with ["/a"], 404 where uri contains ["b"], 410 where uri begins with ["/c"]]`},
		{"location ^~ /a { return 403; }\nlocation /a/b { return 404; }", "error: "}, // in nginx the longer one has its requests
		// Of the location's own fields only proxy_set_header takes the place of a server's.
		{"more_clear_input_headers X-User;", "error: "},
		{`more_set_input_headers "X-User: nobody";`, "error: "},
		{`location / { proxy_pass http://x; }`, "error: "},
		{`location @name { return 403; }`, "error: "},
		{`location /a { location /a/b { deny all; } return 403; }`, "error: "},
		{`location /a { allow 10.0.0.0/8; deny all; }`, "error: "},
		{`location /a/../b { deny all; }`, "error: "},
		{`deny 10.0.0.1; add_header A b;`, `response [add a: "b"]; deny 10.0.0.1/32`},
		{`set $x 1; if ($x = 1) { return 403; }`, "error: "},
	} {
		got := read(c.text, OfServer)
		if got != c.want && !(c.want == "error: " && strings.HasPrefix(got, c.want)) {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// Whatever a snippet is: reading it ends, and what it asks for can be sent.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		`more_set_headers "X: $host"; add_header A 'b' always; return 301 https://x$request_uri;`,
		`if ($host ~* (a|b)) { return 403; }`, "allow 10.0.0.0/8; deny all;", `rewrite ^(/a)$ $1/ redirect;`, "a\\\n{{}};#",
		"location ~ \\.git { deny all; }", `"\"${`, "proxy_set_header X \"a\\tb\";",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, level := range []Level{OfLocation, OfServer} {
			s, err := Read(text, level, nil)
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n\r\x00") {
					t.Errorf("an error of several lines: %q", err)
				}
				continue
			}
			for e := range s.Terms.ResponseFields.Then(s.Terms.RequestFields).All() {
				if e.Name == "" || strings.ToLower(e.Name) != e.Name || strings.ContainsAny(e.Name+e.Value, "\r\n\x00") || strings.ContainsAny(e.Name, " :") {
					t.Errorf("%q has a field that cannot be sent: %+v", text, e)
				}
			}
			for a := range s.Terms.Answers.All() {
				if a.Status < 200 || a.Status > 599 || a.Status == 421 || a.Redirects() && strings.ContainsAny(a.Text, " \r\n\x00") {
					t.Errorf("%q has an answer that cannot be given: %+v", text, a)
				}
			}
			if level == OfServer && s.Terms.MaxBodySize != 0 {
				t.Errorf("%q bounds bodies of a server", text)
			}
		}
	})
}
