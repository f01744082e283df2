package object

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/ingress421/ingress421/internal/compile/problem"
	"github.com/ingress421/ingress421/internal/hostmap"
)

// UsersKey is the key of a Secret that holds users, as Apache's htpasswd writes
// them.
const UsersKey = "auth"

const (
	// maxUsers bounds the users of a Secret.
	maxUsers = 10_000
	// maxBcryptCost and maxRounds bound what a check of one password may cost
	// all: each step up doubles it, and 12 is a quarter of a second.
	maxBcryptCost = 12
	maxRounds     = 100_000
	// maxHash bounds the octets of a hash.
	maxHash = 256
)

// Users are those of a Secret.
type Users struct {
	// Text are the lines of those who can log in, "" where nobody can.
	Text string
	// Reason and Message are what is wrong, "" where nothing is. Some lines may
	// be wrong and the others be used.
	Reason, Message string
}

// Users reads the users of a Secret.
func (s *Secrets) Users(ref hostmap.SecretRef) *Users { return s.users.get(ref, s.readUsers) }

// UserMap reads the users of a Secret that has a key for each: his name, and
// under it his hash. What is under other keys is no hash and lets nobody in.
func (s *Secrets) UserMap(ref hostmap.SecretRef) *Users { return s.userMaps.get(ref, s.readUserMap) }

func (s *Secrets) readUserMap(ref hostmap.SecretRef) *Users {
	secret, reason, message := s.secret(ref)
	if secret == nil {
		return &Users{Reason: reason, Message: message}
	}
	of := "Secret " + problem.Quote(ref.String())
	names := make(map[string]struct{}, len(secret.Data)+len(secret.StringData))
	for name := range secret.Data {
		names[name] = struct{}{}
	}
	for name := range secret.StringData {
		names[name] = struct{}{}
	}
	var good strings.Builder
	users := 0
	for _, name := range slices.Sorted(maps.Keys(names)) {
		value := secretValue(secret, name)
		if !isUser(name, value) {
			continue
		}
		if users == maxUsers {
			reason, message = problem.UsersInvalid, of+" has more than the "+problem.Thousands(maxUsers)+" users that are read; the rest cannot log in."
			break
		}
		users++
		good.WriteString(name + ":" + string(bytes.TrimSpace(value)) + "\n")
	}
	if users == 0 {
		reason, message = problem.UsersInvalid, of+" has no key with the hash of a password; put each user's under his name."
	}
	return &Users{good.String(), reason, message}
}

// isUser tells whether a user can log in by what a Secret has under a key.
func isUser(name string, value []byte) bool {
	value = bytes.TrimSpace(value)
	return len(value) <= maxHash && !bytes.ContainsAny(value, "\r\n:") && wrongUser(name+":"+string(value)) == ""
}

// KeepsSecret tells whether what a Secret has under a key is ever read.
func KeepsSecret(key string, value []byte) bool {
	switch key {
	case corev1.TLSCertKey, corev1.TLSPrivateKeyKey, CAKey, UsersKey:
		return true
	}
	return isUser(key, value)
}

func (s *Secrets) readUsers(ref hostmap.SecretRef) *Users {
	secret, reason, message := s.secret(ref)
	if secret == nil {
		return &Users{Reason: reason, Message: message}
	}
	of := "Secret " + problem.Quote(ref.String())
	value := secretValue(secret, UsersKey)
	if len(value) == 0 {
		return &Users{Reason: problem.UsersInvalid, Message: of + " has no key " + UsersKey + "; put lines of htpasswd there."}
	}
	var good strings.Builder
	n, users := 0, 0
	for line := range strings.Lines(string(value)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		why := wrongUser(line)
		if why == "" && users == maxUsers {
			why = "is more than the " + problem.Thousands(maxUsers) + " that are read"
		}
		if why != "" {
			if reason == "" {
				// The line may hold a password.
				reason, message = problem.UsersInvalid, fmt.Sprintf("%s: line %d of %s %s; nobody logs in by it.", of, n, UsersKey, why)
			}
			continue
		}
		users++
		good.WriteString(line + "\n")
	}
	if users == 0 && reason == "" {
		reason, message = problem.UsersInvalid, of+": "+UsersKey+" has no lines; put lines of htpasswd there."
	}
	return &Users{good.String(), reason, message}
}

// wrongUser says why nobody could log in by a line, "" where somebody can.
func wrongUser(line string) string {
	name, hash, ok := strings.Cut(line, ":")
	if !ok || name == "" {
		return "is no name and a hash with a colon between"
	}
	hash, _, _ = strings.Cut(hash, ":")
	switch {
	case strings.HasPrefix(hash, "$apr1$"), strings.HasPrefix(hash, "$1$"), strings.HasPrefix(hash, "{SHA}"), strings.HasPrefix(hash, "{SSHA}"):
		return ""
	case strings.HasPrefix(hash, "$2a$"), strings.HasPrefix(hash, "$2b$"), strings.HasPrefix(hash, "$2x$"), strings.HasPrefix(hash, "$2y$"):
		cost, _, _ := strings.Cut(hash[len("$2y$"):], "$")
		if n, err := strconv.Atoi(cost); err != nil || n > maxBcryptCost {
			return "has a bcrypt cost over " + strconv.Itoa(maxBcryptCost)
		}
		return ""
	case strings.HasPrefix(hash, "$5$"), strings.HasPrefix(hash, "$6$"):
		if rounds, ok := strings.CutPrefix(hash[len("$5$"):], "rounds="); ok {
			rounds, _, _ = strings.Cut(rounds, "$")
			if n, err := strconv.Atoi(rounds); err != nil || n > maxRounds {
				return "has more than " + problem.Thousands(maxRounds) + " rounds"
			}
		}
		return ""
	}
	return "has a hash that is none of bcrypt, apr1, MD5, SHA, SSHA, SHA-256 and SHA-512 (htpasswd -B)"
}
