package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// reverseProxy is Go's own: net/http and httputil.ReverseProxy with pools that
// are large enough.
func reverseProxy(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: reverseproxy ADDR CLEARTEXT-ADDR CERT KEY")
	}
	speaking := func(set func(*http.Protocols, bool)) *http.Transport {
		t := &http.Transport{
			MaxIdleConnsPerHost: 1024, DisableCompression: true, IdleConnTimeout: time.Minute, Protocols: new(http.Protocols),
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13},
		}
		set(t.Protocols, true)
		return t
	}
	http1, h2 := speaking((*http.Protocols).SetHTTP1), speaking((*http.Protocols).SetHTTP2)
	h2c := speaking((*http.Protocols).SetUnencryptedHTTP2)
	proxyTo := func(scheme string, port int, transport *http.Transport) http.Handler {
		u := &url.URL{Scheme: scheme, Host: "127.0.0.1:" + strconv.Itoa(port)}
		return &httputil.ReverseProxy{
			Transport: transport,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(u)
				r.Out.Host = r.In.Host
				r.SetXForwarded()
			},
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", proxyTo("http", backendPort, http1))
	mux.Handle("/sink", proxyTo("http", sinkPort, http1))
	mux.Handle("/h2c", proxyTo("http", h2cPort, h2c))
	mux.Handle("/grpc", proxyTo("http", h2cPort, h2c))
	mux.Handle("/tls1", proxyTo("https", tls1Port, http1))
	mux.Handle("/tls2", proxyTo("https", tls2Port, h2))
	mux.HandleFunc("/421", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMisdirectedRequest) })
	secure := &http.Server{Addr: args[0], Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	cleartext := &http.Server{Addr: args[1], Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- secure.ListenAndServeTLS(args[2], args[3]) }()
	go func() { failed <- cleartext.ListenAndServe() }()
	return <-failed
}

// h2c answers with the small response over HTTP/2 without TLS, and a unary call
// of gRPC with what it was sent.
func h2c(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: h2c ADDR")
	}
	srv := &http.Server{
		Addr: args[0], ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(w, small)
				return
			}
			w.Header().Set("Content-Type", "application/grpc")
			_, err := io.Copy(w, r.Body)
			if err == nil {
				w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
			}
		}),
	}
	srv.Protocols.SetUnencryptedHTTP2(true)
	return srv.ListenAndServe()
}

// sink reads each body to its end and then answers.
func sink(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: sink ADDR")
	}
	srv := &http.Server{
		Addr: args[0], ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, strconv.FormatInt(n, 10)+"\n")
		}),
	}
	return srv.ListenAndServe()
}
