package admin

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/ingress421/ingress421/internal/explain"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// explanation is the form that asks why, and the answer. Its link holds the
// question, so that a colleague who opens it sees the same.
type explanation struct {
	ServerName, Authority, Path, Peer string
	Answer                            string // "" where nothing was asked
	JSON                              string // the link to the answer as JSON
}

// askedWhy reads a question. Without a server name the connection is one that
// was made for the authority itself.
func askedWhy(r *http.Request) (explanation, explain.Question) {
	q := r.URL.Query()
	e := explanation{ServerName: q.Get("server-name"), Authority: q.Get("authority"), Path: q.Get("path"), Peer: q.Get("peer")}
	question := explain.Question{ServerName: e.ServerName, Authority: e.Authority, Path: e.Path}
	if e.ServerName == "" {
		question.ServerName = explain.ServerName(e.Authority)
	}
	if peer, err := netip.ParseAddr(e.Peer); err == nil {
		question.Peer = peer
	}
	e.JSON = "/explain.json?" + q.Encode()
	return e, question
}

// answered is the answer to a question, with what is wrong with the objects.
func (p *pages) answered(s State, q explain.Question) explain.Answer {
	a := explain.Of(s.Map, q)
	a.Problems = append(explain.Concerning(s.Map, q, s.Problems), p.failing(s, &a)...)
	return a
}

// failing tells of the endpoints that have failed of the backend that a request
// goes to.
func (p *pages) failing(s State, a *explain.Answer) (found []explain.Problem) {
	site := s.Map.Site(a.Request.Host)
	if a.Verdict.Backend == "" || site == nil {
		return nil
	}
	for r := range site.AllRoutes() {
		k := r.Backend
		if k == nil || backendName(k) != a.Verdict.Backend {
			continue
		}
		for _, e := range newBackendRow(k, p.failed()).Endpoints {
			if e.State == "ok" {
				continue
			}
			found = append(found, explain.Problem{
				Object: hostmap.Object{Kind: "Service", Namespace: k.Namespace, Name: k.Service}.String(), Reason: "EndpointFailing",
				Message: fmt.Sprintf("port %s: the endpoint %s has failed %d times in a row (%s). See whether its pod listens there and is reached; else correct targetPort of the Service.",
					k.Port, e.Addr, e.Failures, e.State),
			})
		}
		return found
	}
	return nil
}

// explain is the page of the form.
func (p *pages) explain(w http.ResponseWriter, r *http.Request) {
	e, question := askedWhy(r)
	p.send(w, typeHTML, func(w io.Writer, s State) error {
		if e.Authority != "" {
			var text bytes.Buffer
			answer := p.answered(s, question)
			if err := answer.Table(&text); err != nil {
				return err
			}
			e.Answer = text.String()
		}
		v := p.newView(s, asked{now: time.Now()})
		v.Here, v.Explanation = "/explain", &e
		return p.page.Execute(w, v)
	})
}

// explainJSON is the answer for programs, as the command explain has it.
func (p *pages) explainJSON(w http.ResponseWriter, r *http.Request) {
	e, question := askedWhy(r)
	if e.Authority == "" {
		http.Error(w, "want authority, the host that the request is for", http.StatusBadRequest)
		return
	}
	p.send(w, typeJSON, func(w io.Writer, s State) error {
		answer := p.answered(s, question)
		return answer.JSON(w)
	})
}

// Why is the link to the explanation of a misdirected request.
func (r misdirectedRow) Why() string {
	q := url.Values{"server-name": {r.ServerName}, "authority": {r.Authority}, "peer": {r.Peer}}
	return "/explain?" + q.Encode()
}
