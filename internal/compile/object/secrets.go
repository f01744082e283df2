package object

import (
	"crypto/sha256"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Secrets are those of a state, read when they are named.
type Secrets struct {
	now      time.Time
	problems *problem.List
	objects  map[hostmap.SecretRef]*corev1.Secret

	keyPairs read[hostmap.SecretRef, KeyPair]
	bundles  read[hostmap.SecretRef, Bundle]
	users    read[hostmap.SecretRef, Users]
	userMaps read[hostmap.SecretRef, Users]
	// lastGood are the certificates of the previous map, before is what was
	// parsed for it.
	lastGood map[hostmap.SecretRef]*hostmap.Certificate
	before   hostmap.Parsed
	// parsed is what this run has used, and the next one need not parse again.
	parsed hostmap.Parsed
}

// NewSecrets takes the Secrets of a state. now is the time at which the
// validity of certificates is judged; the previous map has the last good ones.
func NewSecrets(secrets []*corev1.Secret, previous *hostmap.Map, now time.Time, problems *problem.List) *Secrets {
	s := &Secrets{
		now:      now,
		problems: problems,
		objects:  make(map[hostmap.SecretRef]*corev1.Secret, len(secrets)),
		keyPairs: make(read[hostmap.SecretRef, KeyPair], len(previous.Certificates())),
		bundles:  make(read[hostmap.SecretRef, Bundle]),
		users:    make(read[hostmap.SecretRef, Users]),
		userMaps: make(read[hostmap.SecretRef, Users]),
		lastGood: make(map[hostmap.SecretRef]*hostmap.Certificate, len(previous.Certificates())),
		before:   previous.Parsed(),
		parsed: hostmap.Parsed{
			Bundles:  make(map[[sha256.Size]byte]*hostmap.Bundle),
			Failures: make(map[[sha256.Size]byte]string),
		},
	}
	for _, secret := range secrets {
		s.objects[hostmap.SecretRef{Namespace: secret.Namespace, Name: secret.Name}] = secret
	}
	for _, c := range previous.Certificates() {
		s.lastGood[c.Secret] = c
	}
	return s
}

// Parsed is what became of the octets that were read in this run.
func (s *Secrets) Parsed() hostmap.Parsed { return s.parsed }

// secret finds a Secret that something is to be read from; nil where there
// is none, with the reason.
func (s *Secrets) secret(ref hostmap.SecretRef) (secret *corev1.Secret, reason, message string) {
	secret = s.objects[ref]
	switch {
	case secret == nil:
		return nil, problem.SecretNotFound, "Secret " + problem.Quote(ref.String()) + " does not exist; create it or correct the name."
	case !usableSecret(secret):
		return nil, problem.CertificateInvalid, "Secret " + problem.Quote(ref.String()) + " is of type " + problem.Quote(string(secret.Type)) + ", not kubernetes.io/tls or Opaque."
	}
	return secret, "", ""
}

// usableSecret tells whether a Secret is of a type that certificates are read
// from. Those of other types (tokens, releases) are not ours to serve,
// whatever their keys are called.
func usableSecret(s *corev1.Secret) bool {
	switch s.Type {
	case corev1.SecretTypeTLS, corev1.SecretTypeOpaque, "":
		return true
	}
	return false
}

// secretValue returns what a Secret holds under a key. StringData stands in
// manifests that no API server has merged it for; there it takes precedence.
func secretValue(s *corev1.Secret, key string) []byte {
	if v, ok := s.StringData[key]; ok {
		return []byte(v)
	}
	return s.Data[key]
}
