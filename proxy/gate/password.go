package gate

import (
	"crypto/sha256"
	"encoding/base64"
	"runtime"
	"strings"
	"sync"

	"github.com/tg123/go-htpasswd"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// passwords check names and passwords. Hashes are made to be slow to check: a
// few are checked at a time, and who was let in once is remembered.
type passwords struct {
	slots chan struct{} // one for each check under way
	mu    sync.Mutex
	files map[hostmap.BasicAuth]*passwordFile // guarded by mu
}

// passwordFile are the users of one BasicAuth.
type passwordFile struct {
	users *htpasswd.File
	known map[[sha256.Size]byte]struct{} // of credentials; guarded by the mutex of passwords
}

// hashes are those that are read: all that htpasswd writes but crypt(3)'s, and no
// plain text.
var hashes = []htpasswd.PasswdParser{htpasswd.AcceptMd5, htpasswd.AcceptSha, htpasswd.AcceptSsha, htpasswd.AcceptBcrypt, htpasswd.AcceptCryptSha}

// Bounds of what is remembered. What is over them is forgotten, all of it.
const (
	maxFiles       = 1024
	maxCredentials = 1024 // of a file
)

func newPasswords() *passwords {
	return &passwords{
		slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		files: make(map[hostmap.BasicAuth]*passwordFile),
	}
}

// basicCredentials reads an Authorization field (RFC 7617 section 2).
func basicCredentials(value string) (user, password string, ok bool) {
	scheme, encoded, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(text), ":")
}

// know tells whether an Authorization field has the password of a user. It may
// block for as long as a hash takes.
func (p *passwords) know(auth hostmap.BasicAuth, t *hostmap.BasicAuthTerms, value string) bool {
	user, password, ok := basicCredentials(value)
	if !ok {
		return false
	}
	file := p.file(auth, t)
	sum := sha256.Sum256([]byte(user + ":" + password))
	p.mu.Lock()
	_, known := file.known[sum]
	p.mu.Unlock()
	if known {
		return true
	}
	p.slots <- struct{}{}
	ok = file.users.Match(user, password)
	<-p.slots
	if ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(file.known) >= maxCredentials {
			clear(file.known)
		}
		file.known[sum] = struct{}{}
	}
	return ok
}

// file parses the users of a BasicAuth once.
func (p *passwords) file(auth hostmap.BasicAuth, t *hostmap.BasicAuthTerms) *passwordFile {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.files[auth]; f != nil {
		return f
	}
	if len(p.files) >= maxFiles {
		clear(p.files)
	}
	f := &passwordFile{known: make(map[[sha256.Size]byte]struct{})}
	var err error
	// A line that cannot be read is nobody's password.
	f.users, err = htpasswd.NewFromReader(strings.NewReader(t.Users), hashes, func(error) {})
	if err != nil {
		f.users = new(htpasswd.File)
	}
	p.files[auth] = f
	return f
}
