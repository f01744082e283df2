package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// examplesKept is how many misdirected requests are remembered of each
	// reason, and reasonsKept of how many reasons: more than there are.
	examplesKept = 20
	reasonsKept  = 16
	// maxExample bounds what is kept of one, in octets.
	maxExample = 4 << 10
)

// Misdirected remembers the last misdirected requests of each reason. It is
// written to as their log is: lines of JSON, whole ones. It is safe for
// concurrent use; its zero value is empty.
type Misdirected struct {
	mu      sync.Mutex
	reasons []*remembered // in the order in which they came first
}

// remembered is one reason.
type remembered struct {
	reason string
	count  uint64
	last   [examplesKept][]byte // lines; the next one goes to count % examplesKept
}

// Write implements io.Writer. It parses no more than the reason of a line.
func (m *Misdirected) Write(lines []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for line := range bytes.Lines(lines) {
		_, after, ok := bytes.Cut(line, []byte(`"reason":"`))
		reason, _, whole := bytes.Cut(after, []byte{'"'})
		if !ok || !whole || len(line) > maxExample {
			continue
		}
		if r := m.of(reason); r != nil {
			at := &r.last[r.count%examplesKept]
			*at = append((*at)[:0], line...)
			r.count++
		}
	}
	return len(lines), nil
}

// of returns what is remembered of a reason. m.mu is held.
func (m *Misdirected) of(reason []byte) *remembered {
	for _, r := range m.reasons {
		if r.reason == string(reason) {
			return r
		}
	}
	if len(m.reasons) == reasonsKept {
		return nil
	}
	r := &remembered{reason: string(reason)}
	m.reasons = append(m.reasons, r)
	return r
}

// misdirectedRow is a misdirected request, as its log line has it.
type misdirectedRow struct {
	Time        time.Time `json:"time"`
	ServerName  string    `json:"sni"`
	Authority   string    `json:"authority"`
	Reason      string    `json:"reason"`
	Rule        string    `json:"rule"`
	Enforcement string    `json:"enforcement"`
	Retry       string    `json:"retry"`
	Secret      string    `json:"secret,omitempty"`
	Protocol    string    `json:"protocol"`
	Peer        string    `json:"peer"`
}

// reasonCount is how many lines there were of a reason.
type reasonCount struct {
	Reason string `json:"reason"`
	Count  uint64 `json:"count"`
}

// counts are those of all reasons, the most frequent first.
func (m *Misdirected) counts() []reasonCount {
	counts := []reasonCount{}
	if m == nil {
		return counts
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.reasons {
		counts = append(counts, reasonCount{r.reason, r.count})
	}
	slices.SortStableFunc(counts, func(a, b reasonCount) int { return cmp.Compare(b.Count, a.Count) })
	return counts
}

// examples are the requests that are remembered and contain a text, the latest
// first.
func (m *Misdirected) examples(query string) []misdirectedRow {
	if m == nil {
		return nil
	}
	var rows []misdirectedRow
	m.mu.Lock()
	for _, r := range m.reasons {
		for _, line := range r.last[:min(examplesKept, r.count)] {
			var row misdirectedRow
			if json.Unmarshal(line, &row) == nil && strings.Contains(strings.ToLower(string(line)), query) {
				rows = append(rows, row)
			}
		}
	}
	m.mu.Unlock()
	slices.SortFunc(rows, func(a, b misdirectedRow) int { return b.Time.Compare(a.Time) })
	return rows
}
