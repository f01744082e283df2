package proxy

import (
	"crypto/x509"
	"net/netip"
)

func prefixesOf(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func clientsOf(as ...*authority) []*x509.Certificate {
	var out []*x509.Certificate
	for _, a := range as {
		out = append(out, a.cert)
	}
	return out
}
