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
	"strconv"
	"strings"
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
  ssl_certificate DIR/tls.crt; ssl_certificate_key DIR/tls.key; ssl_session_cache shared:b:10m; ssl_protocols TLSv1.3;
  server {
    listen 127.0.0.1:TLS1 ssl backlog=4096; default_type text/plain;
    location / { return 200 "` + small + `"; }
  }
  server {
    listen 127.0.0.1:TLS2 ssl http2 backlog=4096; default_type text/plain; http2_max_concurrent_streams 1000;
    location / { return 200 "` + small + `"; }
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
  upstream tls1 { server 127.0.0.1:TLS1; keepalive 1024; keepalive_requests 100000000; }
  upstream tls2 { server 127.0.0.1:TLS2; keepalive 1024; keepalive_requests 100000000; }
  upstream sink { server 127.0.0.1:SINK; keepalive 1024; keepalive_requests 100000000; }
  proxy_http_version 1.1;
  proxy_request_buffering off;
  proxy_set_header Connection ""; proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
  proxy_ssl_protocols TLSv1.3; grpc_ssl_protocols TLSv1.3;
  grpc_set_header Host $host;
  grpc_set_header X-Forwarded-For $remote_addr; grpc_set_header X-Forwarded-Proto $scheme; grpc_set_header X-Forwarded-Host $host;
  ssl_session_cache shared:s:10m; ssl_session_tickets on; ssl_protocols TLSv1.3;
  server {
    listen 127.0.0.1:NGINX ssl http2 backlog=4096;
    listen 127.0.0.1:PLAINNGINX backlog=4096;
    ssl_certificate DIR/tls.crt; ssl_certificate_key DIR/tls.key;
    location / { proxy_pass http://backend; }
    location /sink { proxy_pass http://sink; }
    location /h2c { grpc_pass grpc://h2c; }
    location /grpc { grpc_pass grpc://h2c; }
    location /tls1 { proxy_pass https://tls1; }
    location /tls2 { grpc_pass grpcs://tls2; }
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
  bind 127.0.0.1:PLAINHAPROXY backlog 4096
  http-request set-header X-Forwarded-Proto https if { ssl_fc }
  http-request set-header X-Forwarded-Proto http if ! { ssl_fc }
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request return status 421 if { path /421 }
  use_backend sink if { path /sink }
  use_backend h2c if { path /h2c /grpc }
  use_backend tls1 if { path /tls1 }
  use_backend tls2 if { path /tls2 }
  default_backend small
backend small
  server s 127.0.0.1:BACKEND
backend sink
  server s 127.0.0.1:SINK
backend h2c
  server s 127.0.0.1:H2CPORT proto h2
backend tls1
  server s 127.0.0.1:TLS1 ssl verify none alpn http/1.1
backend tls2
  server s 127.0.0.1:TLS2 ssl verify none alpn h2
`

const caddyConf = `{
  admin off
  auto_https off
  persist_config off
  log {
    level ERROR
  }
}
http://a.test:PLAINCADDY {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:BACKEND {
    transport http {
      keepalive_idle_conns_per_host 1024
      compression off
    }
  }
}
https://a.test:CADDY {
  bind 127.0.0.1
  tls DIR/tls.crt DIR/tls.key
  respond /421 421
  reverse_proxy /sink 127.0.0.1:SINK
  reverse_proxy /h2c h2c://127.0.0.1:H2CPORT
  reverse_proxy /grpc h2c://127.0.0.1:H2CPORT
  reverse_proxy /tls1 127.0.0.1:TLS1 {
    transport http {
      versions 1.1
      tls_insecure_skip_verify
      keepalive_idle_conns_per_host 1024
      compression off
    }
  }
  reverse_proxy /tls2 127.0.0.1:TLS2 {
    transport http {
      versions 2
      tls_insecure_skip_verify
      compression off
    }
  }
  reverse_proxy 127.0.0.1:BACKEND {
    transport http {
      keepalive_idle_conns_per_host 1024
      compression off
    }
  }
}
`

// ingressFor has one path of host served by the Service of the same name.
const ingressFor = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: NAME, namespace: default, annotations: {ingress421.dev/backend-protocol: PROTOCOL, ingress421.dev/ssl-redirect: "false"}}
spec:
  tls: [{hosts: [a.test], secretName: bench-tls}]
  rules:
  - host: a.test
    http:
      paths:
      - {path: /PATH, pathType: Prefix, backend: {service: {name: NAME, port: {number: 80}}}}
---
` + service

// guardedHost is host, of a class that another controller serves.
const guardedHost = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: guarded, namespace: default, annotations: {kubernetes.io/ingress.class: guarded}}
spec:
  tls: [{hosts: [a.test], secretName: bench-tls}]
  rules: [{host: a.test}]
---
`

// service is a Service whose one endpoint is a port of this machine.
const service = `apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: default}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: NAME-1, namespace: default, labels: {kubernetes.io/service-name: NAME}}
addressType: IPv4
ports: [{name: http, port: PORT}]
endpoints: [{addresses: [127.0.0.1]}]
---
`

const secret = `apiVersion: v1
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

// writeGuardManifests writes what a guard in front of nginx or HAProxy reads; ports
// are theirs for cleartext.
func writeGuardManifests(dir string, ports map[string]int) error {
	certificate, err := benchSecret(dir)
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "guard")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	text := guardedHost
	for _, name := range []string{"nginx", "haproxy"} {
		text += strings.NewReplacer("NAME", name, "PORT", strconv.Itoa(ports[name])).Replace(service)
	}
	return os.WriteFile(filepath.Join(folder, "bench.yaml"), append([]byte(text), certificate...), 0o600)
}

// benchSecret is the Secret of the certificate.
func benchSecret(dir string) ([]byte, error) {
	read := func(name string) (string, error) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		return base64.StdEncoding.EncodeToString(text), err
	}
	cert, err := read("tls.crt")
	if err != nil {
		return nil, err
	}
	key, err := read("tls.key")
	return fmt.Appendf(nil, secret, cert, key), err
}

func writeManifests(dir string) error {
	text, err := benchSecret(dir)
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "manifests")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	for _, b := range []struct {
		name, path, protocol string
		port                 int
	}{
		{"small", "", "HTTP", backendPort},
		{"sink", "sink", "HTTP", sinkPort},
		{"h2c", "h2c", "H2C", h2cPort},
		{"grpc", "grpc", "GRPC", h2cPort},
		{"tls1", "tls1", "HTTPS", tls1Port},
		{"tls2", "tls2", "HTTPS", tls2Port},
	} {
		text = append(text, "---\n"...)
		text = append(text, strings.NewReplacer(
			"NAME", b.name, "PATH", b.path, "PROTOCOL", b.protocol, "PORT", strconv.Itoa(b.port),
		).Replace(ingressFor)...)
	}
	return os.WriteFile(filepath.Join(folder, "bench.yaml"), text, 0o600)
}
