package controllers

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/internal/compile"
)

// cacheOptions says what is kept of which objects.
func cacheOptions(c *Config) cache.Options {
	shared := true
	secrets := cache.ByObject{Field: readSecrets(), Transform: slimSecret}
	services := cache.ByObject{Transform: slim}
	options := cache.Options{
		DefaultTransform: slim,
		// What is listed is only read.
		DefaultUnsafeDisableDeepCopy: &shared,
	}
	if len(c.Namespaces) != 0 {
		options.DefaultNamespaces = make(map[string]cache.Config)
		for _, ns := range c.Namespaces {
			options.DefaultNamespaces[ns] = cache.Config{}
		}
		secrets.Namespaces = withOne(c.Namespaces, c.DefaultCertificate)
		services.Namespaces = withOne(c.Namespaces, c.PublishService)
	}
	options.ByObject = map[client.Object]cache.ByObject{
		&corev1.Secret{}: secrets, &corev1.Service{}: services, namespace(): {Transform: slimNamespace},
		&corev1.ConfigMap{}: {Namespaces: withOne(nil, c.ownersKey())},
	}
	return options
}

// readSecrets selects the Secrets that may concern us: client-auth CAs may be
// Opaque, so that only those of other trades can be left out.
func readSecrets() fields.Selector {
	return fields.AndSelectors(
		fields.OneTermNotEqualSelector("type", "helm.sh/release.v1"),
		fields.OneTermNotEqualSelector("type", string(corev1.SecretTypeServiceAccountToken)),
	)
}

// withOne returns the namespaces, and of another one the object that a flag
// names: a Role with its resourceNames is enough to read that.
func withOne(namespaces []string, name types.NamespacedName) map[string]cache.Config {
	all := make(map[string]cache.Config)
	if name.Name != "" {
		all[name.Namespace] = cache.Config{FieldSelector: fields.OneTermEqualSelector("metadata.name", name.Name)}
	}
	for _, ns := range namespaces {
		all[ns] = cache.Config{}
	}
	return all
}

// slim drops what nobody here reads and what is often larger than the object.
func slim(obj any) (any, error) {
	if _, gone := obj.(toolscache.DeletedFinalStateUnknown); gone {
		return obj, nil
	}
	o, err := meta.Accessor(obj)
	if err != nil {
		return nil, fmt.Errorf("slim %T: %w", obj, err)
	}
	o.SetManagedFields(nil)
	if a := o.GetAnnotations(); a != nil {
		delete(a, corev1.LastAppliedConfigAnnotation)
	}
	return obj, nil
}

// slimNamespace keeps of a namespace whether it is being deleted.
func slimNamespace(obj any) (any, error) {
	if ns, ok := obj.(*metav1.PartialObjectMetadata); ok {
		ns.Labels, ns.Annotations = nil, nil
	}
	return slim(obj)
}

// slimSecret keeps of a Secret what a host map can need. Its annotations may
// spell out all of its data.
func slimSecret(obj any) (any, error) {
	if s, ok := obj.(*corev1.Secret); ok {
		s.Annotations, s.Labels, s.StringData = nil, nil, nil
		maps.DeleteFunc(s.Data, func(key string, value []byte) bool { return !compile.KeepsSecret(key, value) })
	}
	return slim(obj)
}
