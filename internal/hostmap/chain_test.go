package hostmap_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// chain is a leaf, what signed it and the root, in PEM, with the leaf's key.
type chain struct {
	leaf, middle, root, key string
}

func newChain(t testing.TB) chain {
	t.Helper()
	keys := make([]*ecdsa.PrivateKey, 3)
	for i := range keys {
		keys[i] = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	}
	ca := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: midnight, NotAfter: midnight.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		}
	}
	root, middle, leaf := ca("root", 1), ca("middle", 2), ca("leaf", 3)
	leaf.DNSNames = []string{"a.test"}
	issue := func(c, by *x509.Certificate, key *ecdsa.PrivateKey, with *ecdsa.PrivateKey) string {
		der := must(x509.CreateCertificate(rand.Reader, c, by, key.Public(), with))
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return chain{
		root:   issue(root, root, keys[0], keys[0]),
		middle: issue(middle, root, keys[1], keys[0]),
		leaf:   issue(leaf, middle, keys[2], keys[1]),
		key: string(pem.EncodeToMemory(&pem.Block{
			Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(keys[2])),
		})),
	}
}

func (c chain) parse(text string) (*hostmap.Certificate, error) {
	return hostmap.ParseCertificate(hostmap.SecretRef{Namespace: "ns", Name: "s"}, []byte(text), []byte(c.key))
}

// served names the certificates that a handshake sends.
func (c chain) served(pair *hostmap.Certificate) string {
	names := map[string]string{c.leaf: "leaf", c.middle: "middle", c.root: "root"}
	var out []string
	for _, der := range pair.KeyPair.Certificate {
		out = append(out, names[string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))])
	}
	return strings.Join(out, " ")
}

// A chain is whole or an error: no block of it is passed over.
func TestChainOfWhichABlockCannotBeRead(t *testing.T) {
	c := newChain(t)
	indent := func(s string) string { return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") + "\n" }
	for name, test := range map[string]struct{ text, says string }{
		"no line end between blocks":  {strings.TrimSpace(c.leaf) + c.middle, "line"},
		"byte order mark":             {c.leaf + "\ufeff" + c.middle, "byte order mark"},
		"byte order mark first":       {"\ufeff" + c.leaf, "byte order mark"},
		"indented":                    {c.leaf + indent(c.middle), "blank"},
		"first line indented":         {c.leaf + " " + c.middle, "blank"},
		"trusted certificate":         {c.leaf + strings.ReplaceAll(c.middle, "CERTIFICATE", "TRUSTED CERTIFICATE"), "block 2"},
		"lower case label":            {c.leaf + strings.ReplaceAll(c.middle, "CERTIFICATE", "certificate"), "block 2"},
		"cut in its base64":           {c.leaf + c.middle[:len(c.middle)/2], "no end"},
		"cut in its last line":        {c.leaf + strings.TrimSuffix(c.middle, "---\n"), "line"},
		"cut in its first line":       {c.leaf + c.middle[:8], "cut"},
		"line of base64 missing":      {c.leaf + withoutLine(c.middle, 2), "block 2"},
		"last line missing":           {c.leaf + withoutLine(c.middle, -1) + c.root, "has ended"},
		"first line missing":          {c.leaf + withoutLine(c.middle, 0), "no line begins"},
		"junk after the last line":    {c.leaf + strings.TrimSpace(c.middle) + " x\n", "line"},
		"quoted":                      {c.leaf + strings.Replace(c.middle, "\n", "\"\n", 1), "line"},
		"headers":                     {c.leaf + strings.Replace(c.middle, "\n", "\nA: b\n\n", 1), "block 2"},
		"no certificate":              {c.leaf + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "block 2"},
		"empty":                       {c.leaf + "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "block 2"},
		"revocations":                 {c.leaf + strings.ReplaceAll(c.middle, "CERTIFICATE", "X509 CRL"), "block 2"},
		"ends differ":                 {c.leaf + strings.Replace(c.middle, "END CERTIFICATE", "END X", 1), "another kind"},
		"carriage returns alone":      {c.leaf + strings.ReplaceAll(c.middle, "\n", "\r"), "line"},
		"key of none":                 {c.middle + c.root, "none of the 2"},
		"more than a handshake holds": {c.leaf + strings.Repeat(c.middle, 400), "more than 100 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := c.parse(test.text)
			if err == nil {
				t.Fatalf("served: %s", c.served(pair))
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
		})
	}
}

func withoutLine(s string, n int) string {
	lines := strings.SplitAfter(strings.TrimSuffix(s, "\n"), "\n")
	if n < 0 {
		n += len(lines)
	}
	return strings.Join(slices.Delete(lines, n, n+1), "")
}

// What explains the blocks is skipped, and a leaf that does not come first is
// put there.
func TestChainIsServedWhole(t *testing.T) {
	c := newChain(t)
	for name, test := range map[string]struct {
		text, want string
		gap        int
	}{
		"in order":         {c.leaf + c.middle + c.root, "leaf middle root", 0},
		"no last line end": {strings.TrimSpace(c.leaf + c.middle), "leaf middle", 0},
		"CR LF":            {strings.ReplaceAll(c.leaf+c.middle, "\n", "\r\n"), "leaf middle", 0},
		"blanks at ends":   {strings.ReplaceAll(c.leaf+c.middle, "\n", " \t\n"), "leaf middle", 0},
		"comments":         {"# leaf -----BEGIN CERTIFICATE-----\n----- a -----\n" + c.leaf + "Bag Attributes\n    friendlyName: b\n-----\n" + c.middle + "-- \n", "leaf middle", 0},
		"with its key":     {c.key + c.leaf + c.middle, "leaf middle", 0},
		"reversed":         {c.root + c.middle + c.leaf, "leaf middle root", 0},
		"leaf last":        {c.middle + c.root + c.leaf, "leaf middle root", 0},
		"root first":       {c.root + c.leaf + c.middle, "leaf middle root", 0},
		"one missing":      {c.leaf + c.root, "leaf root", 1},
		"after the leaf":   {c.leaf + c.root + c.middle, "leaf root middle", 1},
		"twice":            {c.leaf + c.middle + c.middle, "leaf middle middle", 2},
		"stranger":         {c.leaf + c.middle + newChain(t).root, "leaf middle ", 2},
		"last and missing": {c.root + c.leaf, "leaf root", 1},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := c.parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.served(pair); got != test.want || pair.ChainGap != test.gap {
				t.Errorf("served %q with gap %d, want %q with %d", got, pair.ChainGap, test.want, test.gap)
			}
			if len(pair.Names) != 1 || pair.Names[0] != "a.test" {
				t.Errorf("names %q", pair.Names)
			}
		})
	}
}

func TestKeysHaveBoundedSize(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	for _, bits := range []int{1024, 4160} {
		cert, key := pair(t, must(rsa.GenerateKey(rand.Reader, bits)), "a.test")
		if _, err := hostmap.ParseCertificate(hostmap.SecretRef{}, cert, key); err == nil || !strings.Contains(err.Error(), fmt.Sprint(bits)) {
			t.Errorf("%d bits: %v", bits, err)
		}
	}
	// A key that nobody could parse in time is refused by its length.
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert, _ := pair(t, ec, "a.test")
	long := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: bytes.Repeat([]byte{0x30}, 1<<20)})
	if _, err := hostmap.ParseCertificate(hostmap.SecretRef{}, cert, long); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
	// Whoever has no part of a CA's key can have signatures verified with it.
	for bits, ok := range map[uint]bool{1024: false, 2048: true, 4096: true, 4097: false, 16384: false} {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		public := &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}}
		der := must(x509.CreateCertificate(rand.Reader, template, template, public, ec))
		_, err := hostmap.ParseBundle(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
		if (err == nil) != ok {
			t.Errorf("CA of %d bits: %v", bits, err)
		}
	}
}

func TestBundleSkipsWhatIsNoCertificate(t *testing.T) {
	c := newChain(t)
	want := must(hostmap.ParseBundle([]byte(c.root+c.middle))).Policy(hostmap.ClientAuthRequire, 1).ID
	negative := negativeSerial(t)
	for name, text := range map[string]string{
		"comment of five dashes": "----- our roots -----\n" + c.root + "-----\n" + c.middle,
		"cut DER":                c.root + "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" + c.middle,
		"no base64":              c.root + "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n" + c.middle,
		"trusted certificate":    c.root + strings.ReplaceAll(c.leaf, "CERTIFICATE", "TRUSTED CERTIFICATE") + c.middle,
		"twice":                  c.middle + c.root + c.middle,
	} {
		b, err := hostmap.ParseBundle([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b.Policy(hostmap.ClientAuthRequire, 1).ID != want {
			t.Errorf("%s: another set of CAs", name)
		}
		if skips := name != "comment of five dashes" && name != "twice"; (len(b.Skipped) != 0) != skips {
			t.Errorf("%s: skipped %q", name, b.Skipped)
		}
	}
	b, err := hostmap.ParseBundle([]byte(c.root + negative))
	if err != nil || len(b.Skipped) != 0 {
		t.Errorf("negative serial: %v, %v", err, b)
	}
	for name, text := range map[string]string{
		"empty":       "",
		"text":        "no roots",
		"broken end":  c.root + "-----BEGIN",
		"revocations": c.root + strings.ReplaceAll(c.middle, "CERTIFICATE", "X509 CRL"),
		"key":         c.root + c.key,
		"indented":    c.root + " " + c.middle,
		"all bad":     "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
		"too large":   c.root + strings.Repeat("#\n", 1<<19),
	} {
		if b, err := hostmap.ParseBundle([]byte(text)); err == nil {
			t.Errorf("%s: read, skipped %q", name, b.Skipped)
		}
	}
}

// A handshake has room for so many names only; more would fail it.
func TestBundleNamesFitAHandshake(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	var text bytes.Buffer
	for i := range 1000 {
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i)), Subject: pkix.Name{CommonName: fmt.Sprintf("%060d", i)}}
		der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
		must(0, pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	if _, err := hostmap.ParseBundle(text.Bytes()); err == nil || !strings.Contains(err.Error(), "names") {
		t.Error(err)
	}
}

// negativeSerial is a CA whose serial number is negative, as CAs of companies
// have; RFC 5280 section 4.1.2.2 asks to put up with it.
func negativeSerial(t testing.TB) string {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(0x7f), Subject: pkix.Name{CommonName: "negative"}, IsCA: true, BasicConstraintsValid: true}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	i := bytes.Index(der, []byte{2, 1, 0x7f})
	if i < 0 {
		t.Fatal("no serial number")
	}
	der[i+2] = 0xff // the signature of a root is not looked at
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Whatever the strict reader accepts, encoding/pem reads the same.
func FuzzPEM(f *testing.F) {
	c := newChain(f)
	for _, s := range []string{
		c.leaf, c.leaf + c.middle + c.root, c.key + c.leaf, strings.ReplaceAll(c.leaf, "\n", "\r\n"),
		"x\n----- x -----\n" + c.leaf + " -----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----",
		c.leaf + "# -----BEGIN CERTIFICATE-----\n" + c.middle, "-----BEGIN -----\n-----END -----\n", c.leaf + "-----BEGIN X-----",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		for rest := []byte(text); ; {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				break
			}
			if block.Type == "CERTIFICATE" {
				want = append(want, string(block.Bytes))
			}
		}
		if pair, err := c.parse(text); err == nil {
			got := pair.KeyPair.Certificate
			if len(got) != len(want) {
				t.Fatalf("%d certificates, encoding/pem reads %d", len(got), len(want))
			}
			for _, der := range got {
				if !slices.Contains(want, string(der)) {
					t.Fatal("encoding/pem reads other certificates")
				}
			}
		}
		blocks, err := hostmap.PEMCertificates([]byte(text))
		if err != nil {
			return
		}
		if !slices.EqualFunc(blocks, want, func(a []byte, b string) bool { return string(a) == b }) {
			t.Fatalf("read %q, encoding/pem %q", blocks, want)
		}
	})
}
