package audit

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// Severity says how much a finding matters.
type Severity uint8

const (
	// Info is something to know.
	Info Severity = iota
	// Warning is served, and some clients notice; or protection that is missing.
	Warning
	// Error is not served to anybody.
	Error
)

var severityNames = [...]string{"info", "warning", "error"}

func (s Severity) String() string { return severityNames[s] }

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// The reasons of findings.
const (
	// HostNotCovered: a host's own certificate does not cover it.
	HostNotCovered = "HostNotCovered"
	// HostRefused: requests for a host are refused on every connection, those
	// made for it too.
	HostRefused = "HostRefused"
	// CertificateExpired: a certificate is served after its end.
	CertificateExpired = "CertificateExpired"
	// CertificateNotYetValid: a certificate is served before its begin.
	CertificateNotYetValid = "CertificateNotYetValid"
	// CertificateExpiring: a certificate ends soon and was not renewed.
	CertificateExpiring = "CertificateExpiring"
	// ClientAuthBesideOpen: hosts that ask for client certificates share a
	// certificate with hosts that do not, or that ask for others.
	ClientAuthBesideOpen = "ClientAuthBesideOpen"
	// ForeignCertificate: a certificate of another namespace covers hosts, and
	// may not vouch for them.
	ForeignCertificate = "ForeignCertificate"
	// RuleStricterThanCertificate: the rule of hosts refuses requests that a
	// shared certificate invites.
	RuleStricterThanCertificate = "RuleStricterThanCertificate"
	// RuleOff: requests for hosts are served on every connection.
	RuleOff = "RuleOff"
	// ReportOnly: what the rule would refuse is served and counted.
	ReportOnly = "ReportOnly"
	// WildcardBesideExact: a wildcard covers hosts that have certificates of
	// their own.
	WildcardBesideExact = "WildcardBesideExact"
	// NameNotServed: a certificate names a host that nobody serves.
	NameNotServed = "NameNotServed"
	// Incomplete: the pairs under a certificate are too many to be looked at.
	Incomplete = "Incomplete"
)

// Reasons are all reasons of findings, with what each is about.
func Reasons() map[string]string {
	return map[string]string{
		HostNotCovered:              "A host's certificate does not cover it",
		HostRefused:                 "A host is refused on every connection",
		CertificateExpired:          "A certificate has expired",
		CertificateNotYetValid:      "A certificate is not valid yet",
		CertificateExpiring:         "A certificate ends soon and was not renewed",
		ClientAuthBesideOpen:        "Hosts with client certificates share a certificate with others",
		ForeignCertificate:          "Another namespace's certificate covers a host",
		RuleStricterThanCertificate: "A rule refuses what a shared certificate invites",
		RuleOff:                     "Requests are served on every connection",
		ReportOnly:                  "Misdirected requests are only counted",
		WildcardBesideExact:         "A wildcard covers hosts with certificates of their own",
		NameNotServed:               "A certificate names a host that nobody serves",
		Incomplete:                  "Too many hosts share too many certificates",
	}
}

// Finding is one thing that is wrong or worth knowing.
type Finding struct {
	Severity Severity `json:"severity"`
	// Reason is one of [Reasons].
	Reason string `json:"reason"`
	// Objects are those that a mend would change, the likeliest first.
	Objects List[hostmap.Object] `json:"objects"`
	// Places are where they stand, as far as they stand in files: see
	// [Report.Locate].
	Places []Place `json:"places,omitempty"`
	// Hosts are those concerned.
	Hosts List[string] `json:"hosts"`
	// Message is one sentence, and Mend says what to do.
	Message string `json:"message"`
	Mend    string `json:"mend"`
}

// Place is where an object stands in a file, at the field that a finding is
// about.
type Place struct {
	Object string `json:"object"`
	// File is a path with slashes, begun as the folder was named.
	File string `json:"file"`
	// Line and Column count from 1; the column in characters.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Field is that which stands there, such as "spec.rules[0].host"; "" is the
	// object itself.
	Field string `json:"field,omitempty"`
}

func (f Finding) compare(g Finding) int {
	return cmp.Or(
		cmp.Compare(g.Severity, f.Severity),
		strings.Compare(f.Reason, g.Reason),
		slices.CompareFunc(f.Objects.First, g.Objects.First, hostmap.Object.Compare),
		slices.Compare(f.Hosts.First, g.Hosts.First),
		strings.Compare(f.Message, g.Message),
	)
}

// findingKey tells findings apart: what concerns one Ingress is one of each
// reason, and so is what concerns one certificate.
type findingKey struct {
	reason string
	leaf   fingerprint
	object hostmap.Object
	detail string
}
