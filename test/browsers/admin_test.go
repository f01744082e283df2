package browsers

import (
	"slices"
	"strings"
	"testing"

	"github.com/ingress421/ingress421/api/v1alpha1"
)

// The page of the admin listener, as people see it: in light and dark, on small
// screens, by keyboard, and without anything that its own policy forbids.
func TestAdminPage(t *testing.T) {
	asked(t)
	for _, b := range browsers() {
		t.Run(b.name, func(t *testing.T) {
			w := newWorld(t, v1alpha1.OriginFrameNever)
			admin := "http://" + w.process.Address(t, "serving", "admin")
			asking := w.asking(t, strings.ToLower(b.name)+"-admin", "page-get", "get:get", "get:after")
			b.driveIn(t, w, true, asking) // So that there is a 421 to show.
			for _, dark := range []bool{false, true} {
				names, pages := b.adminPages(t, admin, dark)
				for i, got := range b.driveIn(t, w, dark, pages...).Pages {
					want := looks()[names[i]]
					if got.Status != 200 || len(got.Console) != 0 {
						t.Errorf("%s: status %d, error %q, console %q", names[i], got.Status, got.Error, got.Console)
					}
					for _, text := range want.has {
						if !strings.Contains(got.Text, text) {
							t.Errorf("%s has no %q:\n%s", names[i], text, got.Text)
						}
					}
					if got.URL != want.leads {
						t.Errorf("%s: led to %s, want %s", names[i], got.URL, want.leads)
					}
					if got.Wider > 0 {
						t.Errorf("%s is %d pixels wider than its window", names[i], got.Wider)
					}
					if isDark := !strings.Contains(got.Background, "255, 255, 255"); isDark != dark {
						t.Errorf("%s: background %s", names[i], got.Background)
					}
					if want.focus != "" && got.Focus != want.focus {
						t.Errorf("%s: the keys lead to %q, want %q", names[i], got.Focus, want.focus)
					}
				}
			}
			w.finish(t)
		})
	}
}

// seen is how the page is looked at, and what is to be seen.
type seen struct {
	path  string
	look  look
	has   []string // on the page
	leads string   // path and query in the end
	focus string   // the text of what has the focus; "" is anything
}

func looks() map[string]seen {
	wide, small := look{Width: 1300, Height: 1600}, look{Width: 390, Height: 800}
	skipped, typed := wide, wide
	skipped.Keys = []string{"Tab"}
	typed.Keys = slices.Concat([]string{"Tab", "Tab", "Tab"}, letters("lock"), []string{"Enter"})
	// Past the lists, then the host of the request and that of the connection.
	asked := look{Width: wide.Width, Height: 1000}
	asked.Keys = slices.Concat([]string{"Tab", "Enter", "Tab"}, letters("locked.shop.test"),
		[]string{"Tab"}, letters("page-get.shop.test"), []string{"Enter"})
	const answered = "/explain?authority=locked.shop.test&server-name=page-get.shop.test"
	return map[string]seen{
		"whole": {
			path: "/", look: wide, leads: "/",
			has: []string{"Problems", "Misdirected", "get.shop.test", "Audit", "Sites", "locked.shop.test", "Certificates", "Backends"},
		},
		"misdirected":        {path: "/misdirected", look: wide, leads: "/misdirected", has: []string{"Request for", "other_certificate"}},
		"audit":              {path: "/audit", look: wide, leads: "/audit", has: []string{"ClientAuthBesideOpen", "RuleStricterThanCertificate"}},
		"small":              {path: "/sites", look: small, leads: "/sites", has: []string{"locked.shop.test", "require"}},
		"small-certificates": {path: "/certificates", look: small, leads: "/certificates", has: []string{"ECDSA"}},
		"small-nothing":      {path: "/backends?q=nowhere", look: small, leads: "/backends?q=nowhere", has: []string{"None of them has that."}},
		"skipped":            {path: "/", look: skipped, leads: "/", focus: "To the lists"},
		"asked": {
			path: "/explain", look: asked, leads: answered + "&path=&peer=",
			has: []string{"421", "tls_policy", "locked.shop.test", "sends no such request", "to change"},
		},
		// The link that is sent to a colleague.
		"small-asked": {path: answered, look: small, leads: answered, has: []string{"421", "tls_policy", "This page's address holds the question."}},
		"typed":       {path: "/sites", look: typed, leads: "/sites?q=lock", has: []string{"locked.shop.test"}},
	}
}

// letters are the keys that write a text.
func letters(text string) []string { return strings.Split(text, "") }

// adminPages are the looks, in light or in dark.
func (b browser) adminPages(t *testing.T, admin string, dark bool) (names []string, pages []page) {
	artefact := strings.ToLower(b.name) + "-admin-"
	if dark {
		artefact += "dark-"
	}
	for name, s := range looks() {
		names = append(names, name)
		pages = append(pages, page{URL: admin + s.path, Screenshot: screenshot(t, artefact+name), Look: &s.look})
	}
	return names, pages
}
