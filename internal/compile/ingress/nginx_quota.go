package ingress

import (
	"strconv"

	"github.com/ingress421/ingress421/internal/hostmap"
)

// nginxQuotaAnnotations bound what one client may have.
var nginxQuotaAnnotations = []nginxAnnotation{
	{
		name: "limit-rps", fate: near, protects: true, idle: []string{"0", ""},
		remark: "Each replica counts by itself. A client over it gets 503. All of a /64 of IPv6 is one client.",
		note:   func(n *notes, value string) error { return count(&n.quota.PerSecond, value) },
	},
	{
		name: "limit-rpm", fate: near, protects: true, idle: []string{"0", ""},
		remark: "Each replica counts by itself. A client over it gets 503. All of a /64 of IPv6 is one client.",
		note:   func(n *notes, value string) error { return count(&n.quota.PerMinute, value) },
	},
	{
		name: "limit-connections", fate: near, protects: true, idle: []string{"0", ""},
		remark: "Requests under way are counted, as ingress-nginx does for HTTP/2, on HTTP/1.1 too.",
		note:   func(n *notes, value string) error { return count(&n.quota.Concurrent, value) },
	},
	{
		name: "limit-burst-multiplier", fate: same,
		note: func(n *notes, value string) error { return count(&n.quota.Burst, value) },
	},
	{
		name: "limit-whitelist", fate: same,
		note: func(n *notes, value string) (err error) { n.quota.Except, err = parseRanges(value); return err },
	},
	{
		name: "limit-allowlist", fate: same,
		note: func(n *notes, value string) (err error) { n.quota.Except, err = parseRanges(value); return err },
	},
}

// burst is how many times a quota may come at once, as ingress-nginx has it
// where nothing is said.
const burst = 5

// settleQuota gives routes what is said of what one client may have.
func settleQuota(t *hostmap.Terms, quota hostmap.Quota) {
	if quota.PerSecond == 0 && quota.PerMinute == 0 && quota.Concurrent == 0 {
		return
	}
	if quota.Burst == 0 {
		quota.Burst = burst
	}
	t.Quota = quota
}

// count reads a number of things.
func count(to *int32, value string) error {
	n, err := strconv.ParseUint(value, 10, 20)
	if err == nil {
		*to = int32(n)
	}
	return err
}
