package controllers

import (
	"context"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingress421/ingress421/internal/compile"
	"github.com/ingress421/ingress421/internal/source"
)

// OwnersName is the ConfigMap that the leader records the owners of contested
// hosts in, beside its Lease. Its data has a key for each namespace and a host
// in each line. All replicas go by it.
const OwnersName = "ingress421-owners"

const (
	// maxOwners bounds the record, in octets. An API server takes 1 MiB.
	maxOwners = 768 << 10
	// defaultHost stands for the default site; no host is spelled like it.
	defaultHost = "(default)"
)

// formatOwners is the data of the record, and how many hosts it has no room
// for. Where it is full the namespaces take turns, so that none that claims
// thousands of hosts leaves no room for others.
func formatOwners(owners map[string]string) (data map[string]string, left int) {
	hosts := make(map[string][]string)
	for _, host := range slices.Sorted(maps.Keys(owners)) {
		name := host
		if name == "" {
			name = defaultHost
		}
		hosts[owners[host]] = append(hosts[owners[host]], name)
	}
	lines := make(map[string][]string, len(hosts))
	namespaces := slices.Sorted(maps.Keys(hosts))
	size := 0
	for turn := 0; len(namespaces) != 0; turn++ {
		namespaces = slices.DeleteFunc(namespaces, func(ns string) bool {
			if turn == len(hosts[ns]) {
				return true
			}
			size += len(hosts[ns][turn]) + len("\n")
			if turn == 0 {
				size += len(ns)
			}
			if size > maxOwners {
				left += len(hosts[ns]) - turn
				return true
			}
			lines[ns] = append(lines[ns], hosts[ns][turn])
			return false
		})
	}
	data = make(map[string]string, len(lines))
	for ns, l := range lines {
		data[ns] = strings.Join(l, "\n") + "\n"
	}
	return data, left
}

// parseOwners reads the data of the record. What is no host is nobody's.
func parseOwners(data map[string]string) map[string]string {
	owners := make(map[string]string)
	for _, ns := range slices.Sorted(maps.Keys(data)) {
		for line := range strings.Lines(data[ns]) {
			host := strings.TrimSuffix(line, "\n")
			if host == defaultHost {
				host = ""
			}
			owners[host] = ns
		}
	}
	return owners
}

// owners is the record as the caches have it, nil where there is none.
func (s *cluster) owners(ctx context.Context) (map[string]string, error) {
	var now corev1.ConfigMap
	err := s.reader.Get(ctx, s.ownersKey(), &now)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if version := now.ResourceVersion; s.recorded == nil || s.version != version {
		s.recorded, s.version = parseOwners(now.Data), version
	}
	return s.recorded, nil
}

func (c *Config) ownersKey() types.NamespacedName {
	return types.NamespacedName{Namespace: c.LeaderNamespace, Name: OwnersName}
}

// writeOwners records the owners of contested hosts where that differs from
// what is recorded, and tells whether to try again.
func (w *writer) writeOwners(ctx context.Context, o *source.Outcome) (again bool) {
	if !w.record {
		return false
	}
	name := w.ownersKey()
	var cached corev1.ConfigMap
	err := w.client.Get(ctx, name, &cached)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return w.failed("ConfigMap", name, err)
	}
	if !maps.Equal(parseOwners(cached.Data), o.Input.Owners) {
		return false // The map was made without the newest record; another follows.
	}
	data, left := formatOwners(compile.Contested(o.Map))
	if maps.Equal(data, cached.Data) {
		return false
	}
	if left != 0 {
		w.Log.Warn("not all owners of contested hosts can be recorded; after a restart the oldest claims have the others", "left_out", left)
	}
	if missing {
		now := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}, Data: data}
		err = w.client.Create(ctx, now)
	} else {
		now := cached.DeepCopy()
		now.Data = data
		err = w.client.Update(ctx, now)
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return true // The caches lag behind.
	}
	return err != nil && w.failed("ConfigMap", name, err)
}
