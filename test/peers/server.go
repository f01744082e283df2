package main

import (
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
	if len(args) != 3 {
		return errors.New("usage: reverseproxy ADDR CERT KEY")
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true, IdleConnTimeout: time.Minute}
	transportH2C := &http.Transport{DisableCompression: true, IdleConnTimeout: time.Minute, Protocols: new(http.Protocols)}
	transportH2C.Protocols.SetUnencryptedHTTP2(true)
	proxyTo := func(port int, transport *http.Transport) http.Handler {
		u := &url.URL{Scheme: "http", Host: "127.0.0.1:" + strconv.Itoa(port)}
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
	mux.Handle("/", proxyTo(backendPort, transport))
	mux.Handle("/sink", proxyTo(sinkPort, transport))
	mux.Handle("/h2c", proxyTo(h2cPort, transportH2C))
	mux.HandleFunc("/421", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMisdirectedRequest) })
	srv := &http.Server{Addr: args[0], Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return srv.ListenAndServeTLS(args[1], args[2])
}

// h2c answers with the small response over HTTP/2 without TLS.
func h2c(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: h2c ADDR")
	}
	srv := &http.Server{
		Addr: args[0], ReadHeaderTimeout: 10 * time.Second, Protocols: new(http.Protocols),
		HTTP2:   &http.HTTP2Config{MaxConcurrentStreams: 1000},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, small) }),
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
