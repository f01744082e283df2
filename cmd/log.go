package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// Values of --log-format.
const (
	logJSON = "json"
	logText = "text"
)

func newLog(w io.Writer, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level: want debug, info, warn or error")
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
}

// logTo is where lines of JSON are written to, so that they come out in a
// format: "" is text on a terminal and JSON elsewhere.
func logTo(w io.Writer, format string) (io.Writer, error) {
	switch format {
	case logJSON:
		return w, nil
	case logText:
		return &textLog{to: w}, nil
	case "":
		if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			return &textLog{to: w}, nil
		}
		return w, nil
	default:
		return nil, usagef("--log-format: want json or text")
	}
}

// textLog writes lines of JSON so that people can read them: time, level, the
// message in a column, and the fields in their order. Its Write may be called
// from any goroutine.
type textLog struct {
	to  io.Writer
	mu  sync.Mutex
	buf bytes.Buffer // of one Write; guarded by mu
}

// Write implements io.Writer. p holds whole lines. What is no JSON object stays
// as it is, but for signs that would move a terminal's cursor.
func (t *textLog) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Reset()
	for line := range bytes.Lines(p) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if fields, err := logFields(line); err == nil {
			t.line(fields)
		} else {
			t.buf.WriteString(plain(string(line)))
		}
		t.buf.WriteByte('\n')
	}
	if _, err := t.to.Write(t.buf.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// logField is a field of a line, its value as text.
type logField struct{ name, value string }

// logFields reads the fields of a JSON object in their order.
func logFields(line []byte) ([]logField, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("%v is no object: %w", start, err)
	}
	var fields []logField
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		text := string(value)
		var s string
		if json.Unmarshal(value, &s) == nil {
			text = s
		}
		fields = append(fields, logField{fmt.Sprint(name), text})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	return fields, nil
}

// line writes the fields of a line, without its end. t.mu is held.
func (t *textLog) line(fields []logField) {
	var when, level, msg string
	var rest strings.Builder
	for _, f := range fields {
		switch {
		case f.name == slog.TimeKey && when == "":
			when = clock(f.value)
		case f.name == slog.LevelKey && level == "":
			level = f.value
		case f.name == slog.MessageKey && msg == "":
			msg = f.value
		case f.value != "":
			fmt.Fprintf(&rest, " %s=%s", plain(f.name), quoted(f.value))
		}
	}
	text := fmt.Sprintf("%-12s %-5s %-20s%s", plain(when), plain(level), plain(msg), rest.String())
	t.buf.WriteString(strings.TrimRight(text, " "))
}

// clock is the time of day of a time as the log has it.
func clock(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return at.Local().Format("15:04:05.000")
}

// quoted is a value, in quotes where it would not be seen to end.
func quoted(s string) string {
	if s == "" || strings.ContainsAny(s, " \"=") || plain(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// plain is a text without signs that a terminal obeys. Of what a client sends
// some is in the log.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
