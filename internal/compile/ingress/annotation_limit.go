package ingress

import (
	"errors"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/ingress421/ingress421/api/v1alpha1"
	"github.com/ingress421/ingress421/internal/hostmap"
)

const durations = "a time above zero such as 30s"

var limitAnnotations = []annotation{{
	name:   v1alpha1.AnnotationConnectTimeout,
	scope:  ofRoutes,
	values: durations,
	unset:  "the class's",
	does:   "Bounds the time in which a connection to a backend must stand, all that are tried taken together.",
	route:  func(t *hostmap.Terms, value string) error { return duration(&t.ConnectTimeout, value) },
}, {
	name:   v1alpha1.AnnotationReadTimeout,
	scope:  ofRoutes,
	values: durations,
	unset:  "the class's",
	does:   "Bounds the time in which a backend that owes a response sends nothing.",
	route:  func(t *hostmap.Terms, value string) error { return duration(&t.ReadTimeout, value) },
}, {
	name:   v1alpha1.AnnotationSendTimeout,
	scope:  ofRoutes,
	values: durations,
	unset:  "the class's",
	does:   "Bounds the time in which a backend takes nothing of a request.",
	route:  func(t *hostmap.Terms, value string) error { return duration(&t.SendTimeout, value) },
}, {
	name:   v1alpha1.AnnotationMaxBodySize,
	scope:  ofRoutes,
	values: "a size above zero in bytes, or such as 8Mi",
	unset:  "no bound",
	does:   "Bounds the body of a request; a larger one gets 413.",
	route:  func(t *hostmap.Terms, value string) error { return size(&t.MaxBodySize, value) },
}}

// duration reads a time as Go writes it.
func duration(to *time.Duration, value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return errUnlisted
	}
	*to = d
	return nil
}

// size reads octets, as a number or a quantity. Exponents are not read: they
// cost more than they are worth. Nor are fractions of an octet: whoever writes
// 8m as nginx has it means eight million of what it would be here.
func size(to *int64, value string) error {
	number := strings.TrimRight(value, "kKMGTPEi")
	switch {
	case strings.HasSuffix(number, "m"), strings.HasSuffix(number, "g"):
		return errors.New("write 8Mi for 8m, and 1Gi for 1g")
	case number == "" || len(number) > 18 || strings.Trim(number, "0123456789.") != "":
		return errUnlisted
	}
	q, err := resource.ParseQuantity(value)
	if err != nil || q.Value() <= 0 {
		return errUnlisted
	}
	*to = q.Value()
	return nil
}
