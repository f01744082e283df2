package require

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Tool returns the path of the first of the named programs that is on PATH or
// in a folder where distributions keep servers (/usr/sbin, /sbin). Several
// names are several spellings of one tool, as in Tool(t, "firefox",
// "firefox-esr"). Where none is found the test does not run: see Missing.
func Tool(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range []string{"/usr/sbin", "/sbin"} {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
	}
	Missing(t, names[0])
	return ""
}

// File returns the absolute path of a file of the repository that a make
// target builds, such as File(t, "bin/ingress421", "make build"). Where it is
// not there the test does not run: see Missing.
func File(t testing.TB, name, target string) string {
	t.Helper()
	path := filepath.Join(Root(t), filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		Missing(t, fmt.Sprintf("%s (%s)", name, target))
	}
	return path
}

// Root returns the absolute path of the repository: the folder of the nearest
// go.mod at or above the package under test.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("working directory: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod at or above the package under test")
		}
		dir = parent
	}
}

// Missing ends the test because what is not there: as a failure where
// REQUIRE_TOOLS=1 says that everything has been installed, and elsewhere as a
// skip, written to the file that NOT_RUN_FILE names, one line a test.
//
// Both variables are read only here, so that a test which did run stays in Go's
// test cache whatever their values are.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_TOOLS") == "1" {
		t.Fatalf("missing: %s (REQUIRE_TOOLS=1)", what)
	}
	if path := os.Getenv("NOT_RUN_FILE"); path != "" {
		if err := record(path, what, name(t)); err != nil {
			t.Fatalf("record a test that is not run: %v", err)
		}
	}
	t.Skipf("missing: %s", what)
}

// Asked ends a test that takes too long to run with the others, unless the
// make target that is meant to run it has set a variable to 1. Such a test is
// listed like those whose tools are missing, and is no failure even where
// everything has been installed.
func Asked(t testing.TB, variable, target string) {
	t.Helper()
	if os.Getenv(variable) == "1" {
		return
	}
	if path := os.Getenv("NOT_RUN_FILE"); path != "" {
		if err := record(path, target, name(t)); err != nil {
			t.Fatalf("record a test that is not run: %v", err)
		}
	}
	t.Skipf("run by %s", target)
}

// name returns the test's name after its package's folder: "test/kube.TestX".
// A subtest goes by the name of its test.
func name(t testing.TB) string {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	dir, err := os.Getwd()
	if err != nil {
		return test
	}
	folder, err := filepath.Rel(Root(t), dir)
	if err != nil {
		return test
	}
	return filepath.ToSlash(folder) + "." + test
}

// record appends one line in one write, because the packages under test are
// processes that run at the same time.
func record(path, what, test string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, "%s\t%s\n", what, test); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
