package compile_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// pki holds the certificates of a case by name, so that no key stands in a
// file. Each line of the file certs makes one:
//
//	name hosts=a.example,*.b.example rsa from=2026-01-01 until=2026-03-01
//
// It is self-signed unless it says by=NAME, for ECDSA unless it says rsa, and
// valid through 2026.
type pki map[string]*testCertificate

type testCertificate struct {
	certPEM, keyPEM string
	der             []byte
	key             crypto.Signer
	template        *x509.Certificate
}

func (c *testCertificate) fingerprint() string {
	sum := sha256.Sum256(c.der)
	return hex.EncodeToString(sum[:8])
}

// made remembers certificates by their line: the keys of a hundred cases take
// seconds.
var made sync.Map

func (p pki) read(t testing.TB, text string) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if c, ok := made.Load(line); ok {
			p[fields[0]] = c.(*testCertificate)
			continue
		}
		p[fields[0]] = p.make(t, fields)
		if !strings.Contains(line, "by=") {
			made.Store(line, p[fields[0]])
		}
	}
}

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func (p pki) make(t testing.TB, fields []string) *testCertificate {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v: %v", fields, err)
		}
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(err)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: fields[0]},
		NotBefore:             time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	key := crypto.Signer(ecKey)
	var by *testCertificate
	for _, f := range fields[1:] {
		word, value, _ := strings.Cut(f, "=")
		switch word {
		case "hosts":
			for h := range strings.SplitSeq(value, ",") {
				if ip := net.ParseIP(h); ip != nil {
					template.IPAddresses = append(template.IPAddresses, ip)
				} else {
					template.DNSNames = append(template.DNSNames, h)
				}
			}
		case "by":
			if by = p[value]; by == nil {
				t.Fatalf("no certificate %q", value)
			}
		case "rsa":
			k, err := rsaKey()
			must(err)
			key = k
		case "from":
			template.NotBefore, err = time.Parse(time.DateOnly, value)
			must(err)
		case "until":
			template.NotAfter, err = time.Parse(time.DateOnly, value)
			must(err)
		default:
			t.Fatalf("unknown word %q", f)
		}
	}
	if by == nil {
		by = &testCertificate{key: key, template: template}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.template, key.Public(), by.key)
	must(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	return &testCertificate{
		certPEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		keyPEM:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		der:     der, key: key, template: template,
	}
}

// expand puts PEM in the place of the words "certificate:NAME" and "key:NAME";
// of "torn:NAME" a certificate without its second line, of "indented:NAME" one
// with blanks before each line, and a comment of "comment:WORD".
func (p pki) expand(value string) string {
	var out strings.Builder
	for _, word := range strings.Fields(value) {
		kind, name, _ := strings.Cut(word, ":")
		c := p[name]
		switch {
		case c != nil && kind == "certificate":
			out.WriteString(c.certPEM)
		case c != nil && kind == "key":
			out.WriteString(c.keyPEM)
		case c != nil && kind == "torn":
			first, rest, _ := strings.Cut(c.certPEM, "\n")
			_, rest, _ = strings.Cut(rest, "\n")
			// What stands in its place is the same for each key, and so is what
			// is wrong with it.
			out.WriteString(first + "\n" + strings.Repeat("A", 64) + "\n" + rest)
		case c != nil && kind == "indented":
			for line := range strings.Lines(c.certPEM) {
				out.WriteString("  " + line)
			}
		case kind == "comment":
			out.WriteString("----- " + name + " -----\n")
		default:
			out.WriteString(word + "\n")
		}
	}
	return out.String()
}
