package hostsfile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const (
	// lookInterval is the time between two looks at the file.
	lookInterval = 500 * time.Millisecond
	// maxBytes bounds the file. An etcd would not hold a larger ConfigMap.
	maxBytes = 1 << 20
)

// ReasonGuardHostsInvalid is the reason of the problem that the file cannot be
// read or has a fault.
const ReasonGuardHostsInvalid = "GuardHostsInvalid"

// File is a file of hosts. A nil File names none.
type File struct {
	path string

	mu      sync.Mutex
	text    []byte              // of the last reading, nil where it failed; guarded by mu
	fault   string              // of the last reading; guarded by mu
	hosts   *compile.GuardHosts // of the last that had no fault; guarded by mu
	changed bool                // since Hosts was last called; guarded by mu
}

// Open reads a file. Its error is that it cannot be read or has a fault.
func Open(path string) (*File, error) {
	f := &File{path: path}
	f.look()
	if f.fault != "" {
		return nil, fmt.Errorf("%s: %s", path, f.fault)
	}
	return f, nil
}

// Changed tells whether what [File.Hosts] returns has changed since it did so
// last.
func (f *File) Changed() bool {
	if f == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// Hosts returns what the file holds, and what is wrong with it.
func (f *File) Hosts() (hosts *compile.GuardHosts, problems []hostmap.Problem) {
	if f == nil {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = false
	if f.fault != "" {
		problems = []hostmap.Problem{{
			Object: hostmap.Object{Kind: "File", Name: f.path}, Reason: ReasonGuardHostsInvalid,
			Message: f.fault + "; its last good content stays",
		}}
	}
	return f.hosts, problems
}

// Watch calls changed after each change, until ctx is done.
func (f *File) Watch(ctx context.Context, changed func()) {
	if f == nil {
		return
	}
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if f.look() {
				changed()
			}
		}
	}
}

// look reads the file and tells whether it has changed.
func (f *File) look() bool {
	text, err := read(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.text != nil && bytes.Equal(text, f.text) {
		return false
	}
	f.text = text
	var fault string
	var entries []compile.GuardHostsEntry
	if err == nil {
		entries, err = parse(text)
	}
	if err != nil {
		fault = err.Error()
	} else {
		f.hosts = &compile.GuardHosts{Name: filepath.Base(f.path), Entries: entries}
	}
	if fault != "" && fault == f.fault {
		return false
	}
	f.fault, f.changed = fault, true
	return true
}

// read returns the content of a file, nil with an error.
func read(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err == nil && len(text) > maxBytes {
		err = fmt.Errorf("over %d MiB", maxBytes>>20)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}
