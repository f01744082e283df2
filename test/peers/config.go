package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// host is what every request asks for; other is a host that the certificate
// does not cover.
const (
	host  = "a.test"
	other = "other.test"
)

// small is the response of the backends, but for 1m and sink.
const small = "a small response of one hundred and three octets, as anchors of this field use it, padded with dots....\n"

const backendConf = `daemon off; worker_processes 1; pid DIR/backend.pid; error_log DIR/backend.err;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; sendfile on; client_max_body_size 0;
  server {
    listen 127.0.0.1:BACKEND backlog=4096; default_type text/plain; root DIR;
    location / { return 200 "` + small + `"; }
    location /1m { }
  }
}
`

const nginxConf = `daemon off; worker_processes 1; pid DIR/nginx.pid; error_log DIR/nginx.err; worker_rlimit_nofile 20000;
events { worker_connections 12000; }
http {
  access_log off; keepalive_requests 100000000; client_max_body_size 0;
  client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fcgi; uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
  upstream backend { server 127.0.0.1:BACKEND; keepalive 1024; keepalive_requests 100000000; }
  upstream h2c { server 127.0.0.1:H2CPORT; keepalive 1024; keepalive_requests 100000000; }
  upstream sink { server 127.0.0.1:SINK; keepalive 1024; keepalive_requests 100000000; }
  proxy_http_version 1.1;
  proxy_request_buffering off;
  proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
  ssl_session_cache shared:s:10m; ssl_session_tickets on; ssl_protocols TLSv1.3;
  server {
    listen 127.0.0.1:NGINX ssl http2 backlog=4096;
    ssl_certificate DIR/tls.crt; ssl_certificate_key DIR/tls.key;
    location / { proxy_pass http://backend; }
    location /sink { proxy_pass http://sink; }
    location /h2c { grpc_pass grpc://h2c; grpc_set_header Host $host; grpc_set_header X-Forwarded-For $remote_addr; grpc_set_header X-Forwarded-Proto $scheme; grpc_set_header X-Forwarded-Host $host; }
    location /421 { return 421; }
  }
}
`

const haproxyConf = `global
  nbthread 1
  maxconn 9900
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  timeout http-keep-alive 120s
  option forwardfor
  http-reuse always
frontend front
  bind 127.0.0.1:HAPROXY ssl crt DIR/both.pem alpn h2,http/1.1 backlog 4096
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request return status 421 if { path /421 }
  use_backend sink if { path /sink }
  use_backend h2c if { path /h2c }
  default_backend small
backend small
  server s 127.0.0.1:BACKEND
backend sink
  server s 127.0.0.1:SINK
backend h2c
  server s 127.0.0.1:H2CPORT proto h2
`

const caddyConf = `{
  admin off
  auto_https off
  persist_config off
  log {
    level ERROR
  }
}
https://a.test:CADDY {
  bind 127.0.0.1
  tls DIR/tls.crt DIR/tls.key
  respond /421 421
  reverse_proxy /sink 127.0.0.1:SINK
  reverse_proxy 127.0.0.1:BACKEND {
    transport http {
      keepalive_idle_conns_per_host 1024
      compression off
    }
  }
}
`

const manifests = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: bench, namespace: default}
spec:
  tls: [{hosts: [a.test], secretName: bench-tls}]
  rules:
  - host: a.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: small, port: {number: 80}}}}
      - {path: /sink, pathType: Prefix, backend: {service: {name: sink, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: h2c, namespace: default, annotations: {ingress421.dev/backend-protocol: H2C}}
spec:
  rules:
  - host: a.test
    http:
      paths:
      - {path: /h2c, pathType: Prefix, backend: {service: {name: h2c, port: {number: 80}}}}
---
apiVersion: v1
kind: Service
metadata: {name: h2c, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: h2c-1, namespace: default, labels: {kubernetes.io/service-name: h2c}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: v1
kind: Service
metadata: {name: small, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: sink, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: small-1, namespace: default, labels: {kubernetes.io/service-name: small}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: sink-1, namespace: default, labels: {kubernetes.io/service-name: sink}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: v1
kind: Secret
metadata: {name: bench-tls, namespace: default}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}
`

// makeCertificate writes a P-256 certificate for host, apart and as one file.
func makeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	for name, text := range map[string][]byte{"tls.crt": certPEM, "tls.key": keyPEM, "both.pem": append(append([]byte{}, certPEM...), keyPEM...)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func writeManifests(dir string) error {
	read := func(name string) (string, error) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		return base64.StdEncoding.EncodeToString(text), err
	}
	cert, err := read("tls.crt")
	if err != nil {
		return err
	}
	key, err := read("tls.key")
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "manifests")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "bench.yaml"), fmt.Appendf(nil, manifests, h2cPort, backendPort, sinkPort, cert, key), 0o600)
}
