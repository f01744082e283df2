package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A backend may answer while the request is still on its way. What is left of
// the request must reach the backend all the same.
func TestRestOfABodyBehindTheAnswer(t *testing.T) {
	b := backend(t, "b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctl := http.NewResponseController(w)
		_ = ctl.EnableFullDuplex()
		_ = ctl.Flush()
		_, _ = io.Copy(w, r.Body)
	}))
	w := newWorld(t, oneSite(t, b), nil)
	for i := range 20 {
		size := []int{100, 50_000, 200_000, 1 << 20}[i%4]
		nc, err := tls.Dial("tcp", w.https, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}) //nolint:gosec // a test looks at what it is served
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		body := strings.Repeat("x", size)
		fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", size, body[:size/2])
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			_, _ = io.WriteString(nc, body[size/2:])
		}()
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if err != nil || string(got) != body {
			t.Errorf("%d octets back of %d: %v", len(got), size, err)
		}
		_ = nc.Close()
		<-wrote
	}
}
