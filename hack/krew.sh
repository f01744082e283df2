#!/bin/sh
# Builds kubectl's plugin of version $1 for each of PLATFORMS, as archives in the
# folder $2, and writes a manifest for krew that names them beside it.
set -eu

version=$1 out=$2
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}
case $version in v*) ;; *) version=v0.0.0-$version ;; esac # krew wants semantic versions
mkdir -p "$out"
manifest=$out/ingress421.yaml
sed -e "s|VERSION|$version|" config/krew/ingress421.yaml > "$manifest"
for platform in $platforms; do
	os=${platform%/*} arch=${platform#*/}
	program=kubectl-ingress421
	if [ "$os" = windows ]; then program=$program.exe; fi
	archive=ingress421-$os-$arch.tar.gz
	dir=$(mktemp -d)
	CGO_ENABLED=0 GOOS=$os GOARCH=$arch go build -trimpath \
		-ldflags "-s -w -X github.com/ingress421/ingress421/cmd.version=$version" -o "$dir/$program" .
	cp LICENSE "$dir/LICENSE"
	tar -czf "$out/$archive" -C "$dir" "$program" LICENSE
	rm -r "$dir"
	cat >> "$manifest" <<EOF
  - selector:
      matchLabels: {os: $os, arch: $arch}
    uri: https://github.com/ingress421/ingress421/releases/download/$version/$archive
    sha256: $(sha256sum "$out/$archive" | cut -d ' ' -f 1)
    bin: $program
EOF
done
