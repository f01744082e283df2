package pods

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// Selector is the label that the chart and config/manager give their pods.
const Selector = "app.kubernetes.io/name=ingress421"

// ErrNone tells that no pod was found.
var ErrNone = errors.New("no pod of ingress421 is running")

// Where says which pods are meant.
type Where struct {
	Namespace string // "": all
	Name      string // "": those with the label of Selector
}

// Pod is a pod that runs ingress421.
type Pod struct {
	Namespace string
	Name      string
	// Ready tells that it takes requests.
	Ready bool
	// Args are the arguments of the container, with the name of the command.
	Args []string
}

func (p Pod) String() string { return p.Namespace + "/" + p.Name }

// Find finds the running pods, those that are ready first. There is at least
// one, or an error.
func Find(ctx context.Context, config *rest.Config, where Where) ([]Pod, error) {
	api, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	options := metav1.ListOptions{LabelSelector: Selector}
	if where.Name != "" {
		options = metav1.ListOptions{FieldSelector: "metadata.name=" + where.Name}
	}
	list, err := api.Pods(where.Namespace).List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("find the pods of ingress421: %w", err)
	}
	var found []Pod
	for _, p := range list.Items {
		if p.Status.Phase != corev1.PodRunning || p.DeletionTimestamp != nil {
			continue
		}
		found = append(found, Pod{Namespace: p.Namespace, Name: p.Name, Ready: ready(&p), Args: arguments(&p)})
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w %s", ErrNone, where)
	}
	slices.SortStableFunc(found, func(a, b Pod) int {
		switch {
		case a.Ready == b.Ready:
			return strings.Compare(a.String(), b.String())
		case a.Ready:
			return -1
		}
		return 1
	})
	return found, nil
}

// String says where was looked, after "no pod is running".
func (w Where) String() string {
	in := "in any namespace"
	if w.Namespace != "" {
		in = "in namespace " + w.Namespace
	}
	if w.Name != "" {
		return in + " under the name " + w.Name
	}
	return in + " with the label " + Selector
}

func ready(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// arguments are those of the container that runs us: others may be injected.
func arguments(p *corev1.Pod) []string {
	for _, c := range p.Spec.Containers {
		if args := slices.Concat(c.Command, c.Args); slices.Contains(args, "run") {
			return args[slices.Index(args, "run"):]
		}
	}
	return nil
}

// AdminPort is where the pod serves its admin page: 9421 unless its arguments
// say otherwise; "" where it serves none.
func (p Pod) AdminPort() string {
	port := "9421"
	for i, arg := range p.Args {
		value, given := strings.CutPrefix(arg, "--admin-addr=")
		if arg == "--admin-addr" && i+1 < len(p.Args) {
			value, given = p.Args[i+1], true
		}
		if given {
			port = value[strings.LastIndexByte(value, ':')+1:]
		}
	}
	return port
}
