package h2

import (
	"golang.org/x/net/http2/hpack"

	"github.com/ingress421/ingress421/proxy/frame"
)

// Block is the header of a response that is sent often and never changes, but
// for what a response adds behind it. A connection that sends it for the first
// time has the client enter its fields into HPACK's dynamic table (RFC 7541
// section 2.3.2); after that each of them costs an octet. It is immutable, and
// may be used on any number of connections.
type Block struct {
	status int
	fields []hpack.HeaderField

	plain []byte // literals that leave the dynamic table alone
	enter []byte // literals that enter it, in order
	count int    // how many entries that makes
	size  int    // what they take (RFC 7541 section 4.1)
}

// NewBlock makes a Block of a final status and of fields as WriteHeader takes
// them.
func NewBlock(status int, fields ...hpack.HeaderField) *Block {
	b := &Block{status: status, fields: fields}
	b.plain = frame.AppendStatus(nil, status)
	if len(b.plain) == 1 { // indexed in the static table
		b.enter = frame.AppendStatus(nil, status)
	} else {
		b.enter = append(b.enter, enterIndexed|8)
		b.enter = append(b.enter, b.plain[1:]...)
		b.enters(":status", b.plain[2:])
	}
	for i := range fields {
		f := &fields[i]
		b.plain = frame.AppendField(b.plain, f)
		if n := frame.StaticName(f.Name); n != 0 {
			b.enter = frame.AppendInt(b.enter, enterIndexed, 6, n)
		} else {
			b.enter = frame.AppendString(append(b.enter, enterIndexed), f.Name)
		}
		b.enter = frame.AppendString(b.enter, f.Value)
		b.enters(f.Name, []byte(f.Value))
	}
	return b
}

// enterIndexed begins a literal with incremental indexing (RFC 7541 section
// 6.2.1).
const enterIndexed = 0x40

func (b *Block) enters(name string, value []byte) {
	b.count++
	b.size += len(name) + len(value) + 32
}

// Status returns the response's status.
func (b *Block) Status() int { return b.status }

// Fields returns the response's fields, which must not be changed.
func (b *Block) Fields() []hpack.HeaderField { return b.fields }

const (
	// tableLimit is the size of the dynamic table that every client has until
	// it says otherwise (RFC 9113 section 6.5.2). A larger one is not used.
	tableLimit = 4096
	// maxEntries lets every index fit into one octet (RFC 7541 section 6.1).
	maxEntries = 64
	// firstEntry is the index of the newest entry.
	firstEntry = 62
)

// table is what we have entered into the client's dynamic table: nothing is
// ever evicted from it, as it is not filled beyond its size.
type table struct {
	blocks  []entered
	entries int
	size    int
}

// entered is a Block in a table, behind so many entries.
type entered struct {
	block  *Block
	behind int
}

// appendBlock appends b as octets of the table if the client has it there, else
// enters it if there is room for it. Callers hold mu.
func (o *outgoing) appendBlock(out []byte, b *Block) []byte {
	if o.tableSize < tableLimit {
		return append(out, b.plain...)
	}
	if o.table == nil {
		o.table = new(table)
	}
	t := o.table
	for i := range t.blocks {
		e := &t.blocks[i]
		if e.block != b {
			continue
		}
		if b.count == len(b.fields) { // the status is static
			out = append(out, b.plain[0])
		}
		newest := firstEntry + t.entries - 1
		for n := e.behind; n < e.behind+b.count; n++ {
			out = append(out, 0x80|byte(newest-n))
		}
		return out
	}
	if t.entries+b.count > maxEntries || t.size+b.size > tableLimit {
		return append(out, b.plain...)
	}
	t.blocks = append(t.blocks, entered{b, t.entries})
	t.entries += b.count
	t.size += b.size
	return append(out, b.enter...)
}
