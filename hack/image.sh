#!/bin/sh
# Builds the image $1 from the Dockerfile $2 and the folder $3 with the first
# engine that works here.
set -eu

if docker info >/dev/null 2>&1; then
	docker build --tag "$1" --file "$2" "$3"
elif command -v podman >/dev/null; then
	podman build --tag "$1" --file "$2" "$3"
elif command -v buildah >/dev/null; then
	# These settings ask nothing of the kernel, so that it works in a container.
	buildah --storage-driver vfs build --isolation chroot --tag "$1" --file "$2" "$3"
else
	echo "missing: docker (with its engine), podman or buildah" >&2
	exit 1
fi
