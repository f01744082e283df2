package testkit

import (
	"bytes"
	"encoding/json"
	"sync"
)

// Buffer is a buffer that some goroutines write to and others read. Its zero
// value is empty.
type Buffer struct {
	mu    sync.Mutex
	text  []byte           // guarded by mu
	read  int              // octets of text that are in lines; guarded by mu
	lines []map[string]any // whole lines that are JSON; guarded by mu
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

// Hold has writers wait until release is called, which may be more than once.
func (b *Buffer) Hold() (release func()) {
	b.mu.Lock()
	return sync.OnceFunc(b.mu.Unlock)
}

// String is all of it so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

// Len is how many octets it holds.
func (b *Buffer) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.text)
}

// Lines returns the whole lines so far that are JSON objects with these values;
// numbers are float64.
func (b *Buffer) Lines(want map[string]any) []map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		end := bytes.IndexByte(b.text[b.read:], '\n')
		if end < 0 {
			break
		}
		var fields map[string]any
		if json.Unmarshal(b.text[b.read:b.read+end], &fields) == nil {
			b.lines = append(b.lines, fields)
		}
		b.read += end + 1
	}
	var found []map[string]any
lines:
	for _, line := range b.lines {
		for k, v := range want {
			if line[k] != v {
				continue lines
			}
		}
		found = append(found, line)
	}
	return found
}
