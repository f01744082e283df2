package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	eventsclient "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
	"github.com/ingress421/ingress421/internal/source"
)

const (
	// eventSource is the reportingController of our Events.
	eventSource = "ingress421"
	// eventAction is their action: what was going on.
	eventAction = "Publish"
	// maxNote bounds the note of an Event, in octets.
	maxNote = 1024
	// maxEventStem bounds what an Event's name begins with, in octets.
	maxEventStem = 200

	// tellAgain is after how long a problem that lasts is told of again. The
	// API server forgets an Event an hour after it was last written.
	tellAgain = 30 * time.Minute
	// tellLater is when to try again what could not be written.
	tellLater = time.Minute
	// eventRate and eventBurst are Events a second. They have a budget of their
	// own, so that many problems do not hold up the writing of status.
	eventRate  = 10
	eventBurst = 100
)

// events tells of each problem at the object that has it, and again while it
// lasts. A problem that is over may be told of anew when it returns. Each
// problem has an Event of its own: client-go's recorder would take several of
// one reason at one object for one.
type events struct {
	log      *slog.Logger
	api      eventsclient.EventsV1Interface
	scheme   *runtime.Scheme
	instance string // reportingInstance
	outcomes *mailbox

	told      map[hostmap.Problem]told // owned by run
	complaint string                   // the last one in the log; owned by run
}

// told is when a problem was last told of, and how often.
type told struct {
	at    time.Time
	times int32
}

func newEvents(log *slog.Logger, config *rest.Config, scheme *runtime.Scheme) (*events, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = eventRate, eventBurst
	api, err := eventsclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach events: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("name this replica: %w", err)
	}
	return &events{
		log: log, api: api, scheme: scheme, instance: eventSource + "-" + host,
		outcomes: newMailbox(), told: make(map[hostmap.Problem]told),
	}, nil
}

// run tells of the problems of each outcome until ctx ends.
func (e *events) run(ctx context.Context) {
	var last *source.Outcome
	timer := time.NewTimer(0)
	timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-e.outcomes.c:
			last = &o
		case <-timer.C:
		}
		if last == nil {
			continue
		}
		timer.Stop()
		if next := e.tell(ctx, last); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// tell writes the Events that are due and returns when the next one is, the zero
// time for never. It ends early when there is a newer outcome.
func (e *events) tell(ctx context.Context, o *source.Outcome) (next time.Time) {
	due := func(at time.Time) {
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	last := make(map[hostmap.Problem]told, len(o.Problems))
	for _, p := range o.Problems {
		if t, known := e.told[p]; known {
			last[p] = t
		}
	}
	e.told = last
	var objects map[problemObject]client.Object
	for _, p := range o.Problems {
		t := e.told[p]
		if again := t.at.Add(tellAgain); time.Now().Before(again) {
			due(again)
			continue
		}
		if len(e.outcomes.c) != 0 || ctx.Err() != nil {
			return time.Now()
		}
		if objects == nil {
			objects = objectsOf(&o.Input)
		}
		on := objects[problemObject{p.Kind, p.Namespace, p.Name}]
		if on == nil {
			continue
		}
		t.times++
		if err := e.write(ctx, on, p, t.times); err != nil {
			e.complain(p, err)
			due(time.Now().Add(tellLater))
			continue
		}
		t.at = time.Now()
		e.told[p] = t
		due(t.at.Add(tellAgain))
	}
	return next
}

// complain logs why an Event could not be written, once for each cause.
func (e *events) complain(p hostmap.Problem, err error) {
	if cause := string(apierrors.ReasonForError(err)) + err.Error(); cause != e.complaint {
		e.complaint = cause
		e.log.Warn("cannot write an event", "kind", p.Kind, "namespace", p.Namespace, "name", p.Name, "error", err)
	}
}

// write makes the Event of a problem, or has it live on. Nobody is told of what
// is in a namespace that goes, or has gone.
func (e *events) write(ctx context.Context, on client.Object, p hostmap.Problem, times int32) error {
	event, err := e.event(on, p)
	if err != nil {
		return err
	}
	api := e.api.Events(event.Namespace)
	if times == 1 {
		if _, err = api.Create(ctx, event, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			times++ // another leader has told of it
		}
	}
	if times > 1 {
		patch, err := json.Marshal(map[string]any{"series": eventsv1.EventSeries{Count: times, LastObservedTime: event.EventTime}})
		if err != nil {
			return err
		}
		_, err = api.Patch(ctx, event.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if apierrors.IsNotFound(err) { // forgotten since
			_, err = api.Create(ctx, event, metav1.CreateOptions{})
		}
		return leaving(err)
	}
	return leaving(err)
}

// leaving makes nothing of an error that says that the namespace goes, or has
// gone.
func leaving(err error) error {
	if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return nil
	}
	return err
}

// event is the Event of a problem. Its name says which problem it is, so that
// another leader goes on with it.
func (e *events) event(on client.Object, p hostmap.Problem) (*eventsv1.Event, error) {
	kind, err := apiutil.GVKForObject(on, e.scheme)
	if err != nil {
		return nil, err
	}
	namespace := on.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	id := sha256.Sum256([]byte(strings.Join([]string{kind.Kind, string(on.GetUID()), p.Reason, p.Message}, "\x00")))
	stem := strings.TrimRight(on.GetName()[:min(len(on.GetName()), maxEventStem)], "-.")
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("%s.%x", stem, id[:8])},
		EventTime:           metav1.NowMicro(),
		ReportingController: eventSource,
		ReportingInstance:   e.instance[:min(len(e.instance), 128)],
		Action:              eventAction,
		Reason:              p.Reason,
		Regarding: corev1.ObjectReference{
			APIVersion: kind.GroupVersion().String(), Kind: kind.Kind,
			Namespace: on.GetNamespace(), Name: on.GetName(), UID: on.GetUID(), ResourceVersion: on.GetResourceVersion(),
		},
		Note: cut(p.Message, maxNote),
		Type: corev1.EventTypeWarning,
	}, nil
}

// problemObject names an object as problems do.
type problemObject struct{ kind, namespace, name string }

// objectsOf finds the objects that problems can name.
func objectsOf(in *compile.Input) map[problemObject]client.Object {
	all := make(map[problemObject]client.Object)
	note(all, "Ingress", in.Ingresses)
	note(all, "IngressClass", in.Classes)
	note(all, "Secret", in.Secrets)
	note(all, "Service", in.Services)
	note(all, "EndpointSlice", in.EndpointSlices)
	note(all, "Gateway", in.Gateways)
	note(all, v1alpha1.AuthorityPolicyKind, in.Policies)
	return all
}

func note[T client.Object](all map[problemObject]client.Object, kind string, objects []T) {
	for _, o := range objects {
		all[problemObject{kind, o.GetNamespace(), o.GetName()}] = o
	}
}
