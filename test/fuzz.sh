#!/bin/sh
# Runs each fuzz target of the module for the time that $1 says, one by one.
set -eu

git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' | while read -r file; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | while read -r target; do
		echo "== $target in $(dirname "$file") for $1"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "./$(dirname "$file")" </dev/null
	done
done
