package h2

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// blockTester answers the request for path /n with the n-th of blocks.
func blockTester(t *testing.T, blocks []*Block, f func(ct *tester, ask func(n int) (fields string, octets int))) {
	cfg := &config{Admit: func(s *Stream) bool {
		var n int
		fmt.Sscanf(s.Path, "/%d", &n)
		_ = s.RespondBlock(blocks[n], []hpack.HeaderField{{Name: "date", Value: "now"}}, nil)
		return true
	}}
	bubble(t, cfg, func(ct *tester) {
		id := uint32(1)
		f(ct, func(n int) (string, int) {
			t.Helper()
			ct.headers(id, true, ":method: GET", ":scheme: https", ":authority: a.test", fmt.Sprintf(":path: /%d", n))
			id += 2
			synctest.Wait()
			f, err := ct.fr.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			h, ok := f.(*http2.HeadersFrame)
			if !ok {
				t.Fatalf("got %v, want HEADERS", f)
			}
			octets := len(h.HeaderBlockFragment())
			what := ct.describe(h)
			_, fields, _ := strings.Cut(what, " end ")
			return fields, octets
		})
	})
}

func TestBlockIsSentOnce(t *testing.T) {
	blocks := []*Block{
		NewBlock(421, hpack.HeaderField{Name: "content-type", Value: "text/plain"}, hpack.HeaderField{Name: "x-reason", Value: "certificate"}),
		NewBlock(200, hpack.HeaderField{Name: "server", Value: "ingress421"}),
		NewBlock(421, hpack.HeaderField{Name: "content-type", Value: "application/grpc"}),
	}
	want := []string{
		":status=421 content-type=text/plain x-reason=certificate date=now",
		":status=200 server=ingress421 date=now",
		":status=421 content-type=application/grpc date=now",
	}
	const date = 6 // octets of the field behind the block
	blockTester(t, blocks, func(_ *tester, ask func(int) (string, int)) {
		for round, order := range [][]int{{0, 0, 1, 2}, {2, 1, 0, 1, 0}} {
			for i, n := range order {
				fields, octets := ask(n)
				if fields != want[n] {
					t.Errorf("round %d: block %d came through as %q, want %q", round, n, fields, want[n])
				}
				known := round > 0 || i == 1
				if short := octets == blocks[n].count+date || octets == blocks[n].count+1+date; short != known {
					t.Errorf("round %d: block %d took %d octets; known to the client: %v", round, n, octets, known)
				}
			}
		}
	})
}

// More blocks than the table has room for, by number and by size: those that
// came first stay, the others are sent whole each time.
func TestBlocksOverflow(t *testing.T) {
	for name, value := range map[string]string{"entries": "v", "size": strings.Repeat("v", 500)} {
		t.Run(name, func(t *testing.T) {
			var blocks []*Block
			for i := range 40 {
				blocks = append(blocks, NewBlock(421, hpack.HeaderField{Name: fmt.Sprintf("x-%d", i), Value: value}))
			}
			blockTester(t, blocks, func(_ *tester, ask func(int) (string, int)) {
				for range 2 {
					for n := range blocks {
						if fields, _ := ask(n); fields != fmt.Sprintf(":status=421 x-%d=%s date=now", n, value) {
							t.Fatalf("block %d came through as %q", n, fields)
						}
					}
				}
			})
		})
	}
}

// A client that makes its table smaller is told that nothing is in it any more
// (RFC 9113 section 4.3.1), once, whatever it says before and after that.
func TestBlockAfterTableSizeChange(t *testing.T) {
	block := NewBlock(421, hpack.HeaderField{Name: "x-reason", Value: "certificate"})
	const update, date = 1, 6 // octets
	whole := len(block.plain) + date
	for name, tt := range map[string]struct {
		sizes []uint32 // in SETTINGS of their own, before the next header block
		want  []int    // octets of those that follow
	}{
		"smaller":                   {[]uint32{100}, []int{update + whole, whole, whole}},
		"none":                      {[]uint32{0}, []int{update + whole, whole, whole}},
		"smaller, larger again":     {[]uint32{0, 4096}, []int{update + whole, whole, whole}},
		"smaller twice":             {[]uint32{2000, 100}, []int{update + whole, whole, whole}},
		"larger":                    {[]uint32{65536}, []int{block.count + date, block.count + date}},
		"larger, as it was":         {[]uint32{65536, 4096}, []int{block.count + date, block.count + date}},
		"larger, smaller than ever": {[]uint32{65536, 100, 65536}, []int{update + whole, whole, whole}},
	} {
		t.Run(name, func(t *testing.T) {
			blockTester(t, []*Block{block}, func(ct *tester, ask func(n int) (string, int)) {
				ask(0)
				for _, size := range tt.sizes {
					ct.fr.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size})
					ct.want("SETTINGS ack")
					ct.dec.SetAllowedMaxDynamicTableSize(size)
				}
				for i, want := range tt.want {
					if fields, octets := ask(0); fields != ":status=421 x-reason=certificate date=now" || octets != want {
						t.Errorf("answer %d came through as %q in %d octets, want %d", i, fields, octets, want)
					}
				}
			})
		})
	}
}
