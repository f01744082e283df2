package ingress

import (
	"errors"
	"strconv"
	"strings"

	"github.com/ingress421/ingress421/api/v1alpha1"
)

// How ingress-nginx spells values, and how we do.

var errForeign = errors.New("a value that ingress-nginx does not have either, or that has no counterpart")

// nginxBoolean is read as Go reads one.
func nginxBoolean(value string) (string, error) {
	on, err := strconv.ParseBool(value)
	return strconv.FormatBool(on), err
}

// nginxSeconds is a number of seconds.
func nginxSeconds(value string) (string, error) {
	n, err := strconv.ParseUint(strings.TrimSuffix(value, "s"), 10, 31)
	return strconv.FormatUint(n, 10) + "s", err
}

// nginxSize is a number with k, m or g after it, in any case.
func nginxSize(value string) (string, error) {
	number := strings.TrimRight(strings.ToLower(value), "kmg")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil {
		return "", err
	}
	unit := map[string]string{"": "", "k": "Ki", "m": "Mi", "g": "Gi"}
	suffix, ok := unit[strings.ToLower(value[len(number):])]
	if !ok {
		return "", errForeign
	}
	return strconv.FormatUint(n, 10) + suffix, nil
}

func nginxProtocol(value string) (string, error) {
	switch value = strings.ToUpper(value); value {
	case "HTTP", "HTTPS", "GRPC", "GRPCS":
		return value, nil
	}
	return "", errForeign
}

func nginxVerifyClient(value string) (string, error) {
	switch value {
	case "on":
		return v1alpha1.ClientAuthRequire, nil
	case "optional":
		return v1alpha1.ClientAuthOptional, nil
	}
	return "", errForeign
}

// redirectCodes are those that ingress-nginx's annotations ask for, 0 for none.
type redirectCodes struct{ permanent, temporal int }

func redirectCode(to *int, value string) error {
	switch value {
	case "301", "302", "303", "307", "308":
		*to, _ = strconv.Atoi(value)
		return nil
	}
	return errForeign
}

// proxySSL are ingress-nginx's annotations of TLS to backends.
type proxySSL struct {
	secret string // namespace/name
	verify bool
}

// ownSecret is the name of a Secret that is written as namespace/name and is of
// the Ingress's own namespace.
func ownSecret(ing *ingress, value string) (string, bool) {
	namespace, name, ok := strings.Cut(value, "/")
	if !ok || name == "" || namespace != ing.object.Namespace {
		return "", false
	}
	return name, true
}
