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
	proxyTo := func(port int) http.Handler {
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
	mux.Handle("/", proxyTo(backendPort))
	mux.Handle("/sink", proxyTo(sinkPort))
	mux.HandleFunc("/421", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMisdirectedRequest) })
	srv := &http.Server{Addr: args[0], Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return srv.ListenAndServeTLS(args[1], args[2])
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
