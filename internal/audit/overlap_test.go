package audit

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// What is told of a class are pairs that clients may make, with what Judge says
// of them, and no host of the class that has one is left out.
func TestOverlapsOfClassesArePairs(t *testing.T) {
	some := 0
	for seed := range uint64(5_000) {
		m := randomMap(rand.New(rand.NewPCG(seed, 422)))
		pairs := naive(m)
		type count struct {
			class string
			Result
		}
		type told struct {
			to string
			Result
		}
		want, hosts := make(map[told]bool), make(map[count]map[string]bool)
		for pair, o := range pairs {
			var from, to string
			if _, err := fmt.Sscanf(pair, "%s -> %s", &from, &to); err != nil {
				t.Fatal(err)
			}
			want[told{to, o.Result}] = true
			if k := (count{m.Site(to).Class.Name, o.Result}); hosts[k] == nil {
				hosts[k] = map[string]bool{to: true}
			} else {
				hosts[k][to] = true
			}
		}
		for class, of := range Examine(m, Options{Now: midnight, OneAddress: true}).Classes {
			for _, r := range [...]Result{Served, Misrouted, Reported, Misdirected} {
				if n := len(hosts[count{class, r}]); int(of.By.Of(r)) < n {
					t.Fatalf("seed %d: class %q has %d hosts that are %v, want %d\n%s", seed, class, of.By.Of(r), r, n, m)
				}
			}
			for _, o := range of.First {
				some++
				if got, ok := pairs[o.From+" -> "+o.To]; !ok || got != o.Outcome || m.Site(o.To).Class.Name != class {
					t.Fatalf("seed %d: class %q: overlap %+v, Judge says %+v (a pair: %t)\n%s", seed, class, o, got, ok, m)
				}
				delete(want, told{o.To, o.Result})
			}
		}
		if len(want) != 0 {
			t.Fatalf("seed %d: these have pairs and are not told: %v\n%s", seed, want, m)
		}
	}
	if some == 0 {
		t.Error("the maps have no overlaps")
	}
}

func TestOverlapsAreFewAndTheRefusedFirst(t *testing.T) {
	w := newWorld()
	wildcard := leaf("shop/wild", "*.shop.test")
	for i := range 2 * MaxOverlaps {
		w.site(fmt.Sprintf("h%03d.shop.test", i), "shop/web", wildcard)
	}
	w.site("pay.shop.test", "shop/pay", leaf("shop/pay", "pay.shop.test"), rule(hostmap.RuleSameCertificate))
	w.site("alone.test", "shop/alone", leaf("shop/alone", "alone.test"))
	c := Examine(w.built(), Options{Now: midnight, OneAddress: true}).Classes["public"]
	if c == nil || c.Hosts != 2*MaxOverlaps+1 || c.By.Misdirected != 1 || c.By.Served != 2*MaxOverlaps {
		t.Fatalf("overlaps %+v, want all hosts of the wildcard", c)
	}
	first := c.First
	if len(first) != MaxOverlaps {
		t.Fatalf("%d overlaps, want %d", len(first), MaxOverlaps)
	}
	var got []string
	for _, o := range first[:3] {
		got = append(got, fmt.Sprint(o.From, " ", o.To, " ", o.Secret, " ", o.Result, " ", o.Reason))
	}
	want := []string{
		"h000.shop.test pay.shop.test shop/wild 421 other_certificate",
		"h001.shop.test h000.shop.test shop/wild served ",
		"h000.shop.test h001.shop.test shop/wild served ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("overlaps (-want +got):\n%s", diff)
	}
}
