package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingress421/ingress421/internal/source"
)

// Load lists a cluster once and compiles it, as Run would, without a cache and
// without writing. It needs the rights to list what Run watches. Its error is
// the first answer that it did not get.
func Load(ctx context.Context, c Config) (source.Outcome, error) {
	if c.LeaderNamespace == "" {
		c.LeaderNamespace = ownNamespace()
	}
	scheme, err := newScheme()
	if err != nil {
		return source.Outcome{}, fmt.Errorf("set up: %w", err)
	}
	api, err := client.New(c.Rest, client.Options{Scheme: scheme, Mapper: newMapper()})
	if err != nil {
		return source.Outcome{}, fmt.Errorf("set up: %w", err)
	}
	s := &cluster{Config: &c, reader: direct{api, &c}}
	known, err := hasPolicies(ctx, c.Rest)
	if err != nil {
		return source.Outcome{}, fmt.Errorf("ask the API server what it knows: %w", err)
	}
	s.policies.Store(known)
	s.record, s.namespaces = c.hasRecord(ctx, api), c.hasNamespaces(ctx, api)
	s.gateways, _ = c.hasGateways(ctx, api)
	return source.Load(ctx, c.Config, s.list)
}

// direct reads from the API server what the caches would hold.
type direct struct {
	client.Reader
	c *Config
}

// List implements client.Reader.
func (d direct) List(ctx context.Context, list client.ObjectList, _ ...client.ListOption) error {
	everywhere := fields.Everything()
	namespaces := withOne(d.c.Namespaces, types.NamespacedName{})
	switch list.(type) {
	case *corev1.SecretList:
		everywhere = readSecrets()
		namespaces = withOne(d.c.Namespaces, d.c.DefaultCertificate)
	case *corev1.ServiceList:
		namespaces = withOne(d.c.Namespaces, d.c.PublishService)
	case *networkingv1.IngressClassList, *metav1.PartialObjectMetadataList: // of the cluster
		namespaces = nil
	}
	if len(d.c.Namespaces) == 0 || len(namespaces) == 0 {
		return d.Reader.List(ctx, list, client.MatchingFieldsSelector{Selector: everywhere})
	}
	var all []runtime.Object
	for _, ns := range slices.Sorted(maps.Keys(namespaces)) {
		selector := everywhere
		if one := namespaces[ns].FieldSelector; one != nil {
			selector = fields.AndSelectors(one, everywhere)
		}
		if err := d.Reader.List(ctx, list, client.InNamespace(ns), client.MatchingFieldsSelector{Selector: selector}); err != nil {
			return err
		}
		some, err := meta.ExtractList(list)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	return meta.SetList(list, all)
}
