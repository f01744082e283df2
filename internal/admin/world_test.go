package admin

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// unsigned makes a certificate that was never signed, which nothing here looks
// at.
func unsigned(namespace, name string, end time.Time, hosts ...string) *hostmap.Certificate {
	cert := &x509.Certificate{DNSNames: hosts, NotBefore: end.AddDate(0, -3, 0), NotAfter: end, Raw: []byte(namespace + "/" + name)}
	c, err := hostmap.NewCertificate(hostmap.SecretRef{Namespace: namespace, Name: name}, tls.Certificate{Certificate: [][]byte{cert.Raw}, Leaf: cert})
	if err != nil {
		panic(err)
	}
	return c
}
