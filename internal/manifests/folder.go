package manifests

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingress421/ingress421/internal/hostmap"
)

const (
	// maxFileBytes bounds a file; an API server bounds an object at 3 MiB.
	maxFileBytes = 64 << 20
	// settled is how old a modification time must be before an unchanged one
	// means an unchanged file: file systems count in up to 2 s.
	settled = 2 * time.Second
)

// folder is what was last read of a folder. It is owned by one goroutine.
type folder struct {
	dir      string
	files    map[string]*file
	problems []hostmap.Problem // with the folder itself
	// once tells that the folder is read once: lines of fields are kept, and
	// files are called by their paths.
	once bool
	// since is when each Ingress came, for as long as it is there: a change of
	// its file makes nothing younger.
	since map[hostmap.Object]time.Time
}

// file is one file of a folder.
type file struct {
	info   os.FileInfo // of the last reading, through symlinks
	read   time.Time   // when the last reading began
	sum    [sha256.Size]byte
	err    string   // why the last reading failed, "" if it did not
	good   []object // of the last content that was not broken
	whole  bool     // there was one
	faults []hostmap.Problem
}

func newFolder(dir string) *folder {
	return &folder{dir: dir, files: make(map[string]*file), since: make(map[hostmap.Object]time.Time)}
}

// entries lists the files that count, by name, with what os.Stat says of them.
func (f *folder) entries() (map[string]os.FileInfo, error) {
	list, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	found := make(map[string]os.FileInfo)
	for _, e := range list {
		name := e.Name()
		switch filepath.Ext(name) {
		case ".yaml", ".yml", ".json":
		default:
			continue
		}
		if strings.HasPrefix(name, ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(f.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			if e.Type()&fs.ModeSymlink == 0 {
				continue // Deleted since it was listed.
			}
			// A symlink to nothing is a file that cannot be read.
			info, err = os.Lstat(filepath.Join(f.dir, name))
		}
		if err != nil {
			continue
		}
		if info.IsDir() || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeDevice) != 0 {
			continue
		}
		found[name] = info
	}
	return found, nil
}

// stale tells whether the folder may differ from what was last read.
func (f *folder) stale() bool {
	found, err := f.entries()
	if err != nil {
		return len(f.problems) == 0
	}
	if len(f.problems) != 0 || len(found) != len(f.files) {
		return true
	}
	for name, info := range found {
		if known := f.files[name]; known == nil || known.differs(info) {
			return true
		}
	}
	return false
}

// differs tells whether a file may have changed since it was read.
func (k *file) differs(info os.FileInfo) bool {
	return !os.SameFile(info, k.info) || info.Size() != k.info.Size() || !info.ModTime().Equal(k.info.ModTime()) ||
		k.read.Sub(info.ModTime()) < settled
}

// scan reads what has changed, and every file for which touched says so, and
// tells whether objects or problems have changed. The error is that of listing
// the folder; everything then stays as it was.
func (f *folder) scan(now time.Time, touched func(name string) bool) (changed bool, err error) {
	found, err := f.entries()
	if err != nil {
		problem := hostmap.Problem{
			Object: hostmap.Object{Kind: KindFile, Name: f.dir}, Reason: ReasonFolderUnreadable,
			Message: err.Error() + "; the last state of the folder stays",
		}
		changed = len(f.problems) == 0 || f.problems[0] != problem
		f.problems = []hostmap.Problem{problem}
		return changed, err
	}
	changed = len(f.problems) != 0
	f.problems = nil
	for name := range f.files {
		if _, ok := found[name]; !ok {
			delete(f.files, name)
			changed = true
		}
	}
	for name, info := range found {
		known := f.files[name]
		if known == nil {
			known = &file{}
			f.files[name] = known
		} else if !known.differs(info) && !touched(name) {
			continue
		}
		text, err := read(filepath.Join(f.dir, name))
		if errors.Is(err, fs.ErrNotExist) && info.Mode()&fs.ModeSymlink == 0 {
			// Deleted since it was listed; the next event says so.
			if known.info == nil {
				delete(f.files, name)
			}
			continue
		}
		known.info, known.read = info, now
		changed = known.take(f.decoder(name), text, err) || changed
	}
	return changed, nil
}

// decoder decodes a file of the folder.
func (f *folder) decoder(name string) *decoder {
	if f.once {
		name = filepath.Join(f.dir, name)
	}
	return &decoder{file: name, keep: f.once}
}

// read returns the content of a file.
func read(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("over %d MiB", maxFileBytes>>20)
	}
	return text, nil
}

// take makes a file hold what was read, and tells whether that is new.
func (k *file) take(d *decoder, text []byte, err error) bool {
	var failure string
	if err != nil {
		failure = err.Error()
	}
	first := k.sum == [sha256.Size]byte{} && k.err == ""
	sum := sha256.Sum256(text)
	if !first && sum == k.sum && failure == k.err {
		return false
	}
	k.sum, k.err = sum, failure
	stays := ""
	if k.whole {
		stays = "; its last good content stays"
	}
	fault := func(reason, message string) {
		k.faults = []hostmap.Problem{{Object: hostmap.Object{Kind: KindFile, Name: d.file}, Reason: reason, Message: message}}
	}
	switch {
	case err != nil:
		fault(ReasonFileUnreadable, failure+stays)
	case len(text) == 0:
		fault(ReasonFileEmpty, d.file+" is empty"+stays+"; to withdraw its objects delete it")
	default:
		c := d.decode(text)
		k.faults = c.problems
		if c.broken && k.whole {
			for i := range k.faults {
				k.faults[i].Message += stays
			}
			return true
		}
		k.good, k.whole = c.objects, !c.broken
	}
	return true
}

// objects returns the objects of all files, each once, and all problems.
func (f *folder) objects() ([]object, []hostmap.Problem) {
	problems := slices.Clone(f.problems)
	var all []object
	first := make(map[hostmap.Object]object)
	since := make(map[hostmap.Object]time.Time)
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		k := f.files[name]
		problems = append(problems, k.faults...)
		for _, o := range k.good {
			if other, taken := first[o.Object]; taken {
				problems = append(problems, hostmap.Problem{
					Object: o.Object, Reason: ReasonObjectDuplicate,
					Message: fmt.Sprintf("%s:%d: also in %s:%d, which holds", o.file, o.line, other.file, other.line),
				})
				continue
			}
			first[o.Object] = o
			all = append(all, o)
			if ing, ok := o.value.(*networkingv1.Ingress); ok {
				f.date(ing, o.Object, k, since)
			}
		}
	}
	f.since = since
	return all, problems
}

// date gives an Ingress without a creation time that of its file when it came:
// the oldest claim of a new host wins.
func (f *folder) date(ing *networkingv1.Ingress, name hostmap.Object, k *file, since map[hostmap.Object]time.Time) {
	came, known := f.since[name]
	if !known {
		came = k.info.ModTime()
	}
	since[name] = came
	if ing.CreationTimestamp.IsZero() {
		ing.CreationTimestamp = metav1.NewTime(came)
	}
}
