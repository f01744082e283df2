package manifests

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const (
	// quiet is how long the folder must be without an event before it is read,
	// so that a writer is through.
	quiet = 50 * time.Millisecond
	// patience bounds the wait for quiet.
	patience = 500 * time.Millisecond
	// lookInterval is the time between two looks at the files themselves. It
	// grows where a look takes long, so that looking costs 1 % of a processor
	// at most.
	lookInterval = 500 * time.Millisecond
	lookShare    = 100
	// alarm bounds the sleep until the time that the compiler asked for,
	// because clocks are set.
	alarm = time.Hour
)

// watcher runs a folder. It is owned by one goroutine.
type watcher struct {
	Config
	folder  *folder
	current *hostmap.Map
	next    time.Time // when to build again; zero: never
	rested  time.Time // when the folder may be read again, at the earliest

	events *fsnotify.Watcher // nil where the system gives none
	inode  os.FileInfo       // of the watched folder
}

// Run reads the folder, publishes its host map, and goes on to publish a new
// one for each change until ctx is done. Its error is that the folder could
// not be listed at the start; later the last state stays and is a problem.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	w := &watcher{Config: c, folder: newFolder(c.Dir)}
	// Watch first and read then, so that no change falls between.
	events, err := fsnotify.NewWatcher()
	if err != nil {
		c.Log.Warn("no file events, looking twice a second instead", "dir", c.Dir, "error", err)
	} else {
		defer events.Close()
		w.events = events
		w.rewatch()
	}
	began := time.Now()
	if _, err := w.folder.scan(began, all); err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	w.build(began)
	c.Log.Info("watching manifests", "dir", c.Dir, "files", len(w.folder.files))
	w.loop(ctx)
	return nil
}

// loop waits for changes. A change starts the settle timer, and the folder is
// read when it fires.
func (w *watcher) loop(ctx context.Context) {
	var (
		events   chan fsnotify.Event
		failures chan error
		touched  = make(map[string]bool)
		whole    bool      // every file is to be read
		first    time.Time // event since the last reading; zero: none
	)
	if w.events != nil {
		events, failures = w.events.Events, w.events.Errors
	}
	settle := time.NewTimer(0)
	settle.Stop()
	look := time.NewTimer(lookInterval)
	defer look.Stop()
	again := time.NewTimer(w.untilNext())
	defer again.Stop()
	notice := func() {
		now := time.Now()
		if first.IsZero() {
			first = now
		}
		settle.Reset(max(0, min(quiet, patience-now.Sub(first))))
	}
	for {
		select {
		case <-ctx.Done():
			settle.Stop()
			return
		case e := <-events:
			touched[filepath.Base(e.Name)] = true
			notice()
		case err := <-failures:
			// The queue of the kernel ran over, or the watch is lost.
			w.Log.Warn("file events were lost, reading all files", "dir", w.Dir, "error", err)
			whole = true
			notice()
		case <-look.C:
			began := time.Now()
			w.rewatch()
			if first.IsZero() && w.folder.stale() {
				notice()
			}
			look.Reset(max(lookInterval, lookShare*time.Since(began)))
		case <-settle.C:
			began := time.Now()
			if wait := w.rested.Sub(began); wait > 0 {
				settle.Reset(wait)
				break
			}
			changed, err := w.folder.scan(began, func(name string) bool { return whole || touched[name] })
			if err != nil && changed {
				w.Log.Error("cannot list the folder, its last state stays", "dir", w.Dir, "error", err)
			}
			clear(touched)
			whole, first = false, time.Time{}
			if changed {
				w.build(began)
				again.Reset(w.untilNext())
			}
		case <-again.C:
			if now := time.Now(); !w.next.IsZero() && !now.Before(w.next) && !now.Before(w.rested) {
				w.build(now)
			}
			again.Reset(w.untilNext())
		}
	}
}

// untilNext is how long to sleep before building again.
func (w *watcher) untilNext() time.Duration {
	if w.next.IsZero() {
		return alarm
	}
	return min(max(time.Until(w.next), time.Until(w.rested), compile.Gap(0)), alarm)
}

// build compiles and publishes what the folder holds.
func (w *watcher) build(began time.Time) {
	first := w.current == nil
	in, problems := w.folder.input(w.Config, time.Now())
	m, more, next := compile.Build(w.current, in)
	w.current, w.next = m, next
	w.Publish(m)
	if w.Report != nil {
		problems = append(problems, more...)
		slices.SortFunc(problems, hostmap.Problem.Compare)
		w.Report(m, problems, time.Since(began))
	}
	w.rested = began.Add(compile.Gap(0))
	if !first { // which parses what none after it parses again
		w.rested = began.Add(compile.Gap(time.Since(began)))
	}
}

// rewatch makes the events those of the folder that the path names now: it, or
// a symlink on the way to it, may have been replaced.
func (w *watcher) rewatch() {
	if w.events == nil {
		return
	}
	info, err := os.Stat(w.Dir)
	if err != nil || w.inode != nil && os.SameFile(info, w.inode) {
		return
	}
	if w.inode != nil {
		if err := w.events.Remove(w.Dir); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) {
			w.Log.Warn("cannot leave the old folder", "dir", w.Dir, "error", err)
		}
	}
	w.inode = info
	if err := w.events.Add(w.Dir); err != nil {
		w.Log.Warn("no file events, looking twice a second instead", "dir", w.Dir, "error", err)
	}
}
