#!/bin/sh
# Runs all Go tests with the flags in GOTESTFLAGS, then names what was not run
# because something is missing on this machine (package test/require).
set -eu

NOT_RUN_FILE=$(mktemp)
export NOT_RUN_FILE
trap 'rm -f "$NOT_RUN_FILE"' EXIT

case " $GOTESTFLAGS " in
*" -race "*) ;;
*)
	if [ "${REQUIRE_TOOLS:-}" = 1 ]; then
		echo "missing: a C compiler for the race detector (REQUIRE_TOOLS=1)" >&2
		exit 1
	fi
	printf 'a C compiler for the race detector\tall tests ran without it\n' >>"$NOT_RUN_FILE"
	;;
esac

status=0
# shellcheck disable=SC2086 # flags, one word each
go test -timeout 10m $GOTESTFLAGS ./... || status=$?
case " $GOTESTFLAGS " in
# What the race detector cannot look at is not there under it.
*" -race "*) go test -timeout 2m -run '^Test(Socket|IdleConnectionsHoldSmallStacks)$' ./proxy ./proxy/socket || status=$? ;;
esac

if [ -s "$NOT_RUN_FILE" ]; then
	echo
	echo "Not run here, for want of:"
	sort -u "$NOT_RUN_FILE" | awk -F '\t' '
		$1 != tool { printf "%s  %s: %s", (NR > 1 ? "\n" : ""), $1, $2; tool = $1; next }
		{ printf ", %s", $2 }
		END { print "" }'
fi
exit $status
