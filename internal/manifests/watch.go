package manifests

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/ingress421/ingress421/internal/source"
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
)

// watcher notices what changes in a folder, wakes the loop, and lists for it.
type watcher struct {
	Config
	loop *source.Loop

	mu      sync.Mutex
	folder  *folder         // guarded by mu
	touched map[string]bool // files with an event since the last list; guarded by mu
	whole   bool            // every file is to be read; guarded by mu

	events *fsnotify.Watcher // nil where the system gives none; owned by watch
	inode  os.FileInfo       // of the watched folder; owned by watch
}

// Run reads the folder, publishes its host map, and goes on to publish a new
// one for each change until ctx is done. Its error is that the folder could
// not be listed at the start; later the last state stays and is a problem.
func Run(ctx context.Context, c Config) error {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	w := &watcher{Config: c, folder: newFolder(c.Dir), touched: make(map[string]bool)}
	w.loop = source.New(c.Config, w.list)
	// Watch first and read then, so that no change falls between.
	events, err := fsnotify.NewWatcher()
	if err != nil {
		c.Log.Warn("no file events, looking twice a second instead", "dir", c.Dir, "error", err)
	} else {
		defer events.Close()
		w.events = events
		w.rewatch()
	}
	if _, err := w.folder.scan(time.Now(), all); err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	c.Log.Info("watching manifests", "dir", c.Dir, "files", len(w.folder.files))
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { w.watch(ctx) })
	w.loop.Run(ctx)
	return nil
}

// list implements [source.List]. It reads what has changed.
func (w *watcher) list(context.Context) (source.State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed, err := w.folder.scan(time.Now(), func(name string) bool { return w.whole || w.touched[name] })
	if err != nil && changed {
		w.Log.Error("cannot list the folder, its last state stays", "dir", w.Dir, "error", err)
	}
	clear(w.touched)
	w.whole = false
	state := w.folder.state()
	state.Same = !changed
	return state, nil
}

// watch waits for changes until ctx is done. A change starts the settle timer,
// and the loop is woken when it fires.
func (w *watcher) watch(ctx context.Context) {
	var (
		events   chan fsnotify.Event
		failures chan error
		first    time.Time // event since the loop was woken; zero: none
	)
	if w.events != nil {
		events, failures = w.events.Events, w.events.Errors
	}
	settle := time.NewTimer(0)
	settle.Stop()
	defer settle.Stop()
	look := time.NewTimer(lookInterval)
	defer look.Stop()
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
			return
		case e := <-events:
			w.touch(filepath.Base(e.Name))
			notice()
		case err := <-failures:
			// The queue of the kernel ran over, or the watch is lost.
			w.Log.Warn("file events were lost, reading all files", "dir", w.Dir, "error", err)
			w.touchAll()
			notice()
		case <-look.C:
			began := time.Now()
			w.rewatch()
			if first.IsZero() && w.stale() {
				notice()
			}
			look.Reset(max(lookInterval, lookShare*time.Since(began)))
		case <-settle.C:
			first = time.Time{}
			w.loop.Wake()
		}
	}
}

// touch has the next list read a file although it looks unchanged.
func (w *watcher) touch(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched[name] = true
}

// touchAll has the next list read every file.
func (w *watcher) touchAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = true
}

// stale tells whether the folder may differ from what was last listed.
func (w *watcher) stale() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.folder.stale()
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
