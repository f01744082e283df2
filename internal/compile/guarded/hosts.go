package guarded

import (
	"github.com/ingress421/ingress421/internal/hostmap"
)

// Hosts are what the file of --guard-hosts holds.
type Hosts struct {
	// Name is what problems call the file.
	Name string
	// Entries have a host in common never.
	Entries []Entry
}

// Entry is an entry of the file.
type Entry struct {
	// Hosts are canonical, a wildcard with its "*.".
	Hosts []string
	// Secret is the Secret of their certificate. Its namespace owns the hosts.
	Secret hostmap.SecretRef
	// ClientAuth says whether clients are asked for a certificate that one of the
	// CAs of ClientCA, a Secret of the same namespace, has signed.
	ClientAuth hostmap.ClientAuth
	ClientCA   string
}
