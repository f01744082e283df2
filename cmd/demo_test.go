package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestDemoIsAsTheRuleSays(t *testing.T) {
	record := filepath.Join(t.TempDir(), "table.txt")
	var stdout, stderr bytes.Buffer
	began := time.Now()
	if code := Main([]string{"demo", "--record", record}, &stdout, &stderr); code != exitOK {
		t.Errorf("exit code %d, want %d\n%s\n%s", code, exitOK, &stdout, &stderr)
	}
	t.Logf("took %v", time.Since(began))
	if stderr.Len() != 0 {
		t.Errorf("standard error: %s", &stderr)
	}
	for line := range strings.Lines(stdout.String()) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > 100 {
			t.Errorf("%d columns, want 100 at most: %s", n, line)
		}
		if strings.HasPrefix(line, "!") || strings.HasSuffix(line, " ") {
			t.Errorf("line %q", line)
		}
	}
	recorded, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stdout.String(), string(recorded)); diff != "" {
		t.Errorf("recorded otherwise than printed:\n%s", diff)
	}
}
