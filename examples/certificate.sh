#!/bin/sh
# Writes a Secret with a certificate for some names, signed by a CA of its own:
#
#   certificate.sh FOLDER NAMESPACE SECRET NAME...
#
# The CA is made once per folder and kept beside the Secrets: ca.crt, ca.key.
set -eu
umask 077

folder=$1 namespace=$2 secret=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -e "$folder/ca.key" ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Example CA" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
		-keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
fi

names=
for name; do
	names=${names:+$names,}DNS:$name
done
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj / \
	-keyout "$work/tls.key" -out "$work/tls.csr" 2>/dev/null
printf 'subjectAltName=critical,%s\nextendedKeyUsage=serverAuth\n' "$names" >"$work/ext"
openssl x509 -req -in "$work/tls.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -days 30 \
	-extfile "$work/ext" -out "$work/tls.crt" 2>/dev/null

# Written whole under another name and then renamed: the folder is watched.
cat >"$work/secret" <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: $secret
  namespace: $namespace
type: kubernetes.io/tls
data:
  tls.crt: $(base64 <"$work/tls.crt" | tr -d '\n')
  tls.key: $(base64 <"$work/tls.key" | tr -d '\n')
YAML
cp "$work/secret" "$folder/.$secret.tmp"
mv "$folder/.$secret.tmp" "$folder/$secret.yaml"
