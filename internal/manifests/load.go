package manifests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// Load reads files and folders once, as one state. The error is that one of
// them cannot be read at all; what is wrong with a file of a folder, or with an
// object, is a problem.
func Load(ctx context.Context, c source.Config, paths ...string) (source.Outcome, error) {
	return source.Load(ctx, c, func(context.Context) (source.State, error) {
		all := newFolder("")
		all.once = true
		for _, path := range paths {
			if err := all.add(path); err != nil {
				return source.State{}, fmt.Errorf("read manifests: %w", err)
			}
		}
		return all.state(), nil
	})
}

// add reads a file or the files of a folder.
func (f *folder) add(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		text, err := read(path)
		if err != nil {
			return err
		}
		k := &file{info: info}
		k.take(&decoder{file: path, keep: true}, text, nil)
		f.files[path] = k
		return nil
	}
	dir := newFolder(path)
	dir.once = true
	if _, err := dir.scan(time.Now(), all); err != nil {
		return err
	}
	for name, k := range dir.files {
		f.files[filepath.Join(path, name)] = k
	}
	return f.passOver(path)
}

// passOver notes the folders within one that hold manifests and are not read.
func (f *folder) passOver(path string) error {
	within, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range within {
		if !e.IsDir() || e.Name()[0] == '.' {
			continue
		}
		sub := newFolder(filepath.Join(path, e.Name()))
		found, err := sub.entries()
		if err != nil || len(found) == 0 {
			continue
		}
		f.problems = append(f.problems, hostmap.Problem{
			Object: hostmap.Object{Kind: KindFile, Name: sub.dir}, Reason: ReasonFolderPassedOver,
			Message: fmt.Sprintf("not read, with %d manifests in it: a folder is read without those in it; name it too, or move them", len(found)),
		})
	}
	return nil
}
