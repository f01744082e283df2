package problem

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Thousands writes a number with commas.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// MaxQuoted bounds what a problem repeats of a tenant's text, in octets: an
// annotation may have 256 KiB.
const MaxQuoted = 100

// Quote makes a tenant's text fit for messages and logs.
func Quote(s string) string {
	if len(s) > MaxQuoted {
		return fmt.Sprintf("%q...", s[:MaxQuoted])
	}
	return fmt.Sprintf("%q", s)
}

// MaxListed bounds the things that a message lists.
const MaxListed = 10

// Words joins words, a bounded number of them.
func Words(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	if n := len(words) - MaxListed; n > 0 {
		return strings.Join(words[:MaxListed], ", ") + " and " + Thousands(n) + " more"
	}
	return strings.Join(words, ", ")
}

// maxError bounds an error's text in a message, in octets: those of crypto/x509
// repeat names of certificates.
const maxError = 300

// ErrorText makes the text of an error fit for messages.
func ErrorText(err error) string {
	text := err.Error()
	if len(text) > maxError {
		text = text[:maxError] + "..."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// Host is a host in messages; "" is the default site.
func Host(name string) string {
	if name == "" {
		return "(default)"
	}
	return Quote(name)
}
