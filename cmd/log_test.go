package cmd

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestTextLog(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.Local).Format(time.RFC3339Nano)
	for _, tt := range []struct{ in, want string }{
		{`{"time":"` + at + `","level":"INFO","msg":"serving","http":"127.0.0.1:80","hosts":3,"admin":""}`, "03:04:05.678 INFO  serving              http=127.0.0.1:80 hosts=3"},
		{`{"time":"` + at + `","level":"WARN","msg":"problem","message":"Host \"a\" is refused."}`, `03:04:05.678 WARN  problem              message="Host \"a\" is refused."`},
		{`{"time":"` + at + `","level":"INFO","msg":"stopped"}`, "03:04:05.678 INFO  stopped"},
		{`{"time":"` + at + `","level":"INFO","msg":"x","list":["a","b"],"sni":"\u001b[2J"}`, `03:04:05.678 INFO  x                    list="[\"a\",\"b\"]" sni="\x1b[2J"`},
		{"panic: no JSON", "panic: no JSON"},
		{"", ""},
	} {
		var out bytes.Buffer
		if _, err := (&textLog{to: &out}).Write([]byte(tt.in + "\n")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want+"\n", out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.in, diff)
		}
	}
}

func TestLogFormat(t *testing.T) {
	for format, want := range map[string]string{"": `{"`, "json": `{"`, "text": "INFO  hello"} {
		var out bytes.Buffer
		w, err := logTo(&out, format)
		if err != nil {
			t.Fatal(err)
		}
		log, err := newLog(w, "info")
		if err != nil {
			t.Fatal(err)
		}
		log.Info("hello")
		if !strings.Contains(out.String(), want) {
			t.Errorf("--log-format %q wrote %q, want %q in it", format, &out, want)
		}
	}
	var usage usageError
	if _, err := logTo(nil, "xml"); !errors.As(err, &usage) {
		t.Errorf("error %v, want one of usage", err)
	}
}

// Whatever is logged is one line and moves no terminal's cursor.
func FuzzTextLog(f *testing.F) {
	f.Add("msg", "value", "a\x1b[2Jb\n")
	f.Fuzz(func(t *testing.T, msg, key, value string) {
		var line, out bytes.Buffer
		slog.New(slog.NewJSONHandler(&line, nil)).Info("said", key, msg+value)
		raw := []byte(strings.ReplaceAll(value, "\n", "") + "\n")
		for _, in := range [][]byte{line.Bytes(), raw} {
			out.Reset()
			if _, err := (&textLog{to: &out}).Write(in); err != nil {
				t.Fatal(err)
			}
			text, ended := strings.CutSuffix(out.String(), "\n")
			if !ended || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%q became %q", in, out.String())
			}
		}
	})
}
