package controllers

import (
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const (
	// eventSource is the reportingController of our Events.
	eventSource = "ingress421"
	// eventAction is their action: what was going on.
	eventAction = "Publish"
	// maxNote bounds the note of an Event, in octets.
	maxNote = 1024
)

// events tells of each problem once, at the object that has it. A problem that
// is over may be told of again when it returns.
type events struct {
	recorder recorder.EventRecorder
	told     map[hostmap.Problem]bool
}

func newEvents(r recorder.EventRecorder) *events {
	return &events{recorder: r, told: make(map[hostmap.Problem]bool)}
}

// tell emits an Event for each problem that was not told of before. Sending is
// left to the recorder, which drops what it cannot keep up with.
func (e *events) tell(o *outcome) {
	told := make(map[hostmap.Problem]bool, len(o.problems))
	var objects map[problemObject]client.Object
	for _, p := range o.problems {
		if told[p] {
			continue
		}
		told[p] = true
		if e.told[p] {
			continue
		}
		if objects == nil {
			objects = objectsOf(&o.in)
		}
		if on := objects[problemObject{p.Kind, p.Namespace, p.Name}]; on != nil {
			e.recorder.Eventf(on, nil, corev1.EventTypeWarning, p.Reason, eventAction, "%s", cut(p.Message, maxNote))
		}
	}
	e.told = told
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
	note(all, v1alpha1.AuthorityPolicyKind, in.Policies)
	return all
}

func note[T client.Object](all map[problemObject]client.Object, kind string, objects []T) {
	for _, o := range objects {
		all[problemObject{kind, o.GetNamespace(), o.GetName()}] = o
	}
}
