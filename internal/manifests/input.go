package manifests

import (
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Config says which folder is read and who is told.
type Config struct {
	// Dir is the folder.
	Dir string
	// Controller, DefaultCertificate and AllowSharedHosts are as in
	// [compile.Input].
	Controller         string
	DefaultCertificate types.NamespacedName
	AllowSharedHosts   bool
	// Self is this process as it is now, to which nothing is forwarded. It may
	// be nil.
	Self func() hostmap.Self
	// Publish makes a host map live. It is called from one goroutine.
	Publish func(*hostmap.Map)
	// Report is told after each Publish: the map, all problems in order, and
	// how long reading and building took. It may be nil.
	Report func(*hostmap.Map, []hostmap.Problem, time.Duration)
	// Log takes what happens to the watch. Nil: slog.Default().
	Log *slog.Logger
}

// Load reads the folder once. The error is that of listing it; what is wrong
// with a file or an object is a problem.
func Load(c Config) (compile.Input, []hostmap.Problem, error) {
	f := newFolder(c.Dir)
	now := time.Now()
	if _, err := f.scan(now, all); err != nil {
		return compile.Input{}, nil, fmt.Errorf("read manifests: %w", err)
	}
	in, problems := f.input(c, now)
	return in, problems, nil
}

// all is the answer for scan when every file may have changed.
func all(string) bool { return true }

// input is the whole state for the compiler.
func (f *folder) input(c Config, now time.Time) (compile.Input, []hostmap.Problem) {
	in := compile.Input{
		Now:                now,
		Controller:         c.Controller,
		AnyClass:           true,
		DefaultCertificate: c.DefaultCertificate,
		AllowSharedHosts:   c.AllowSharedHosts,
		AllowLoopback:      true,
	}
	if c.Self != nil {
		in.Self = c.Self()
	}
	objects, problems := f.objects()
	for _, o := range objects {
		switch v := o.value.(type) {
		case *networkingv1.Ingress:
			in.Ingresses = append(in.Ingresses, v)
		case *networkingv1.IngressClass:
			in.Classes = append(in.Classes, v)
		case *corev1.Secret:
			in.Secrets = append(in.Secrets, v)
		case *corev1.Service:
			in.Services = append(in.Services, v)
		case *discoveryv1.EndpointSlice:
			in.EndpointSlices = append(in.EndpointSlices, v)
		case *v1alpha1.AuthorityPolicy:
			in.Policies = append(in.Policies, v)
		}
	}
	return in, problems
}
