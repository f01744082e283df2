package forward

import (
	"crypto/sha256"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// answer is what a service has said about a request.
type answer struct {
	status int
	fields []hpack.HeaderField // that somebody gets
}

// maxAnswers bounds what is kept of services' answers. What is over it is
// forgotten, all of it.
const maxAnswers = 4096

// answerKey tells apart what is kept: a sum, so that clients' credentials are
// not.
type answerKey [sha256.Size]byte

// keyOf is the key of a question, for one client.
func keyOf(to *hostmap.Backend, host, path, client string) answerKey {
	return sha256.Sum256([]byte(to.Namespace + "/" + to.Service + "/" + to.Port + "\x00" + host + "\x00" + path + "\x00" + client))
}

// answers are those of services that are kept for a while.
type answers struct {
	mu   sync.Mutex
	kept map[answerKey]keptAnswer // guarded by mu
}

type keptAnswer struct {
	answer
	until time.Time
}

func (a *answers) get(key answerKey, now time.Time) (answer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k, ok := a.kept[key]
	return k.answer, ok && now.Before(k.until)
}

func (a *answers) put(key answerKey, said answer, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept) >= maxAnswers || a.kept == nil {
		a.kept = make(map[answerKey]keptAnswer)
	}
	a.kept[key] = keptAnswer{said, until}
}
