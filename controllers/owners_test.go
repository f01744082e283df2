package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecordOfOwners(t *testing.T) {
	owners := map[string]string{"a.test": "shop", "*.a.test": "shop", "b.test": "blog", "": "blog"}
	data, left := formatOwners(owners)
	want := map[string]string{"shop": "*.a.test\na.test\n", "blog": "(default)\nb.test\n"}
	if diff := cmp.Diff(want, data); diff != "" || left != 0 {
		t.Errorf("%d left out, data (-want +got):\n%s", left, diff)
	}
	if diff := cmp.Diff(owners, parseOwners(data)); diff != "" {
		t.Errorf("owners read again (-want +got):\n%s", diff)
	}
}

// Namespaces that claim all they can push nobody else out of the record.
func TestRecordOfOwnersIsBoundedAndFair(t *testing.T) {
	owners := make(map[string]string)
	for i := range 20_000 {
		owners[fmt.Sprintf("%06d.%s.test", i, strings.Repeat("a", 60))] = "attacker"
		owners[fmt.Sprintf("%06d.%s.test", i, strings.Repeat("b", 60))] = "other"
	}
	owners["zzz.victim.test"], owners["www.victim.test"] = "victim", "victim"
	data, left := formatOwners(owners)
	size := 0
	for ns, hosts := range data {
		size += len(ns) + len(hosts)
	}
	got := parseOwners(data)
	if size > maxOwners || size < maxOwners*9/10 || len(got)+left != len(owners) {
		t.Errorf("%d octets, %d hosts and %d left out of %d", size, len(got), left, len(owners))
	}
	if got["zzz.victim.test"] != "victim" || got["www.victim.test"] != "victim" {
		t.Error("the victim's hosts are left out")
	}
}
