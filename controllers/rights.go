package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// attempts bounds the wait for an answer about what can be done without.
const attempts = 10

// probe finds out whether what can be done without is to be had, so that an
// informer that is never let in does not keep the first map waiting.
func probe(ctx context.Context, reader client.Reader, list client.ObjectList, options ...client.ListOption) (err error) {
	for range attempts {
		err = reader.List(ctx, list, append(options, client.Limit(1))...)
		if err == nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	return err
}

// rights tells which of them are to be had, and whether that is known: ctx may
// end before.
func (c *Config) rights(ctx context.Context, reader client.Reader) (record, namespaces, answered bool) {
	record, namespaces = c.hasRecord(ctx, reader), c.hasNamespaces(ctx, reader)
	return record, namespaces, ctx.Err() == nil
}

// hasGateways tells whether Gateways are read, and that is known: ctx may end
// before. They are where a controller is guarded, and the cluster knows them.
func (c *Config) hasGateways(ctx context.Context, reader client.Reader) (gateways, answered bool) {
	if len(c.Guarded) == 0 {
		return false, true
	}
	var options []client.ListOption
	if len(c.Namespaces) != 0 {
		options = append(options, client.InNamespace(c.Namespaces[0]))
	}
	err := probe(ctx, reader, &gatewayv1.GatewayList{}, options...)
	switch {
	case ctx.Err() != nil, err == nil:
	case apierrors.IsNotFound(err):
		c.Log.Info("the cluster has no Gateway API, hosts to guard are those of Ingresses")
	default:
		c.Log.Warn("cannot read Gateways", "effect", "their hosts are not guarded", "error", err)
	}
	return err == nil, ctx.Err() == nil
}

// hasRecord tells whether the record of owners can be read.
func (c *Config) hasRecord(ctx context.Context, reader client.Reader) bool {
	var list corev1.ConfigMapList
	err := probe(ctx, reader, &list, client.InNamespace(c.LeaderNamespace), client.MatchingFields{"metadata.name": OwnersName})
	switch name := c.ownersKey().String(); {
	case ctx.Err() != nil:
	case err != nil:
		c.Log.Warn("cannot read the owners of contested hosts", "configmap", name,
			"effect", "none are recorded, after a restart contested hosts go to the oldest claims", "error", err)
	case len(list.Items) == 0:
		c.Log.Info("no owners of contested hosts are recorded, hosts go to the oldest claims", "configmap", name)
	}
	return err == nil
}

// hasNamespaces tells whether it can be read which namespaces are being
// deleted. Who watches some namespaces only is not expected to have the right.
func (c *Config) hasNamespaces(ctx context.Context, reader client.Reader) bool {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	err := probe(ctx, reader, list)
	const effect = "an Ingress yields its hosts when it is being deleted itself, not when its namespace is"
	switch {
	case ctx.Err() != nil, err == nil:
	case len(c.Namespaces) != 0:
		c.Log.Info("cannot read namespaces", "effect", effect)
	default:
		c.Log.Warn("cannot read namespaces", "effect", effect, "error", err)
	}
	return err == nil
}
