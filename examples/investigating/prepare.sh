#!/bin/sh
# Makes a folder of hosts that are wrong in many ways, with certificates for them:
#
#   prepare.sh FOLDER
set -eu
here=$(dirname "$0")
folder=$1
mkdir -p "$folder"
cp "$here"/*.yaml "$folder"
"$here"/../certificate.sh "$folder" shop wildcard-tls '*.shop.test'
"$here"/../certificate.sh "$folder" shop pay-tls pay.shop.test
"$here"/../certificate.sh "$folder" shop old-tls new.test
cat >"$folder/staff-ca.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: staff-ca, namespace: shop}
data: {ca.crt: $(base64 <"$folder/ca.crt" | tr -d '\n')}
YAML
# For curl -K: how to reach any of the hosts.
cat >"$folder/curl.conf" <<CONF
silent
show-error
include
cacert = "$folder/ca.crt"
resolve = "*:8443:127.0.0.1"
CONF
