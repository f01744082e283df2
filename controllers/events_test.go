package controllers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

// eventServer keeps Events as the API server does: for an hour after they were
// last written.
type eventServer struct {
	t       *testing.T
	mu      sync.Mutex            // synctest.Wait orders what was, not what comes
	kept    map[string]*keptEvent // by name; guarded by mu
	created int                   // guarded by mu
	refuse  *metav1.Status        // what each request is answered; guarded by mu
}

// look runs f while nothing is written.
func (s *eventServer) look(f func()) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

type keptEvent struct {
	eventsv1.Event
	written time.Time
}

func (s *eventServer) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	answer := func(code int, v any) (*http.Response, error) {
		text, err := json.Marshal(v)
		if err != nil {
			s.t.Fatal(err)
		}
		header := http.Header{"Content-Type": {"application/json"}}
		return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(bytes.NewReader(text)), Request: r}, nil
	}
	failure := func(code int32, reason metav1.StatusReason) (*http.Response, error) {
		return answer(int(code), metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: code, Reason: reason,
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return answer(int(s.refuse.Code), s.refuse)
	}
	for name, e := range s.kept {
		if time.Since(e.written) >= time.Hour {
			delete(s.kept, name)
		}
	}
	switch r.Method {
	case http.MethodPost:
		e := &keptEvent{written: time.Now()}
		if err := json.Unmarshal(body, &e.Event); err != nil {
			s.t.Fatal(err)
		}
		if s.kept[e.Name] != nil {
			return failure(http.StatusConflict, metav1.StatusReasonAlreadyExists)
		}
		s.kept[e.Name] = e
		s.created++
		return answer(http.StatusCreated, e.Event)
	case http.MethodPatch:
		e := s.kept[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
		if e == nil {
			return failure(http.StatusNotFound, metav1.StatusReasonNotFound)
		}
		if err := json.Unmarshal(body, &e.Event); err != nil {
			s.t.Fatal(err)
		}
		e.written = time.Now()
		return answer(http.StatusOK, e.Event)
	}
	s.t.Fatalf("%s %s", r.Method, r.URL)
	return nil, nil
}

// teller is events at work on an eventServer.
func teller(t *testing.T, s *eventServer, log io.Writer) *events {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEvents(slog.New(slog.NewTextHandler(log, nil)), &rest.Config{
		Host: "http://api.test", Transport: s, ContentConfig: rest.ContentConfig{ContentType: "application/json"},
	}, scheme)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// problemsOf are an outcome with problems of one reason at one Ingress.
func problemsOf(messages ...string) source.Outcome {
	ing := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "u"}}
	o := source.Outcome{Input: compile.Input{Ingresses: []*networkingv1.Ingress{ing}}}
	for _, m := range messages {
		o.Problems = append(o.Problems, hostmap.Problem{Kind: "Ingress", Namespace: "shop", Name: "web", Reason: "ServiceNotFound", Message: m})
	}
	return o
}

func TestEventsLastAsLongAsTheirProblems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &eventServer{t: t, kept: make(map[string]*keptEvent)}
		var log bytes.Buffer
		e := teller(t, s, &log)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); e.run(ctx) }()

		o := problemsOf(`Service "shop/a" does not exist.`, `Service "shop/b" does not exist.`, `Service "shop/c" does not exist.`)
		e.outcomes.put(o)
		notes := make(map[string]bool)
		s.look(func() {
			for _, e := range s.kept {
				notes[e.Note] = true
				if e.Regarding.Kind != "Ingress" || e.Regarding.Name != "web" || e.Regarding.UID != "u" || e.Reason != "ServiceNotFound" {
					t.Errorf("event %+v", e.Event)
				}
			}
		})
		if len(notes) != 3 {
			t.Errorf("three missing Services made the events %v", notes)
		}
		// A rebuild tells nothing new.
		e.outcomes.put(o)
		for range 10 {
			time.Sleep(time.Hour)
			s.look(func() {
				for _, e := range s.kept {
					if age := time.Since(e.written); age > tellAgain {
						t.Errorf("event was last written %v ago", age)
					}
				}
				if len(s.kept) != 3 || s.created != 3 {
					t.Errorf("%d events kept, %d created, want 3 that live on", len(s.kept), s.created)
				}
			})
		}
		s.look(func() {
			for _, e := range s.kept {
				if e.Series == nil || e.Series.Count != 21 {
					t.Errorf("after ten hours the series is %+v, want 21 tellings", e.Series)
				}
			}
		})
		// What is over is not told of again.
		e.outcomes.put(problemsOf(`Service "shop/a" does not exist.`))
		time.Sleep(2 * time.Hour)
		e.outcomes.put(source.Outcome{})
		synctest.Wait()
		written := time.Now()
		time.Sleep(2 * time.Hour)
		s.look(func() {
			for _, e := range s.kept {
				if e.written.After(written) {
					t.Errorf("told of again after its end: %s", e.Note)
				}
			}
		})
		cancel()
		<-ended
		if log.Len() != 0 {
			t.Errorf("logged:\n%s", log.String())
		}
	})
}

// Another leader goes on with the events that there are.
func TestEventsOutliveTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &eventServer{t: t, kept: make(map[string]*keptEvent)}
		var log bytes.Buffer
		o := problemsOf(`Service "shop/a" does not exist.`)
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			e := teller(t, s, &log)
			e.tell(ctx, &o)
			cancel()
		}
		if len(s.kept) != 1 || s.created != 1 || log.Len() != 0 {
			t.Errorf("%d events, %d created, logged:\n%s", len(s.kept), s.created, log.String())
		}
	})
}

func TestEventsThatCannotBeWritten(t *testing.T) {
	status := func(code int32, reason metav1.StatusReason, causes ...metav1.StatusCause) *metav1.Status {
		return &metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: code, Reason: reason,
			Message: fmt.Sprint("no: ", reason), Details: &metav1.StatusDetails{Causes: causes},
		}
	}
	tests := []struct {
		name   string
		refuse *metav1.Status
		logged int
	}{
		{"the namespace goes", status(403, metav1.StatusReasonForbidden, metav1.StatusCause{Type: corev1.NamespaceTerminatingCause}), 0},
		{"the namespace is gone", status(404, metav1.StatusReasonNotFound), 0},
		{"no right", status(403, metav1.StatusReasonForbidden), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &eventServer{t: t, kept: make(map[string]*keptEvent), refuse: tt.refuse}
				var log bytes.Buffer
				e := teller(t, s, &log)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); e.run(ctx) }()
				e.outcomes.put(problemsOf("one", "two"))
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if n := strings.Count(log.String(), "cannot write an event"); n != tt.logged || strings.Contains(log.String(), "ERROR") {
					t.Errorf("%d lines, want %d:\n%s", n, tt.logged, log.String())
				}
				s.look(func() { s.refuse = nil }) // the right is granted
				time.Sleep(2 * tellLater)
				s.look(func() {
					if tt.logged != 0 && len(s.kept) != 2 {
						t.Errorf("%d events once they can be written, want 2", len(s.kept))
					}
				})
				cancel()
				<-ended
			})
		})
	}
}

// Many problems hold up nobody: a newer outcome is taken in between, and what
// was told stays told.
func TestEventsOfManyProblems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &eventServer{t: t, kept: make(map[string]*keptEvent)}
		var log bytes.Buffer
		e := teller(t, s, &log)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); e.run(ctx) }()
		var messages []string
		for i := range 1000 {
			messages = append(messages, fmt.Sprint("problem ", i))
		}
		for range 5 {
			e.outcomes.put(problemsOf(messages...))
			time.Sleep(time.Second)
		}
		time.Sleep(1000 / eventRate * time.Second)
		s.look(func() {
			if len(s.kept) != 1000 || s.created != 1000 {
				t.Errorf("%d events, %d created, want 1000", len(s.kept), s.created)
			}
		})
		cancel()
		<-ended
	})
}
