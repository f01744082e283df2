package hostmap_test

import (
	"net/netip"
	"testing"

	"github.com/ingress421/ingress421/internal/hostmap"
)

func TestForwardable(t *testing.T) {
	tests := []struct {
		address string
		want    bool
	}{
		{"10.0.0.1", true},
		{"192.0.2.7", true},
		{"168.63.129.17", true},
		{"fd00:ec2::255", true},
		{"2001:db8::1", true},
		{"64:ff9b::a00:1", true}, // a pod behind NAT64
		{"2002:a00:1::1", true},
		{"127.0.0.1", true}, // the caller's to say
		{"::1", true},
		{"::ffff:127.0.0.1", true},

		{"0.0.0.0", false},
		{"::", false},
		{"255.255.255.255", false},
		{"224.0.0.1", false},
		{"ff02::1", false},
		{"169.254.169.254", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"::ffff:169.254.169.254", false},
		{"fd00:ec2::254", false},
		{"fd00:ec2::23", false},
		{"fd20:ce::254", false},
		{"168.63.129.16", false},
		{"::ffff:168.63.129.16", false},
		{"100.100.100.200", false},
		{"192.0.0.192", false},
		{"::a9fe:a9fe", false},                // compatible, 169.254.169.254
		{"::127.0.0.1", false},                // compatible
		{"64:ff9b::a9fe:a9fe", false},         // NAT64, 169.254.169.254
		{"64:ff9b::a83f:8110", false},         // NAT64, 168.63.129.16
		{"64:ff9b::7f00:1", false},            // NAT64, 127.0.0.1
		{"64:ff9b:1:a9fe:a9:fe00::", false},   // 64:ff9b:1::/48
		{"64:ff9b:1:1a9:fe:a9fe::", false},    // 64:ff9b:1:100::/56
		{"64:ff9b:1:1:a9:fea9:fe00:0", false}, // 64:ff9b:1:1::/64
		{"64:ff9b:1::a9fe:a9fe", false},       // 64:ff9b:1::/96
		{"2002:a9fe:a9fe::1", false},          // 6to4
		{"2002:7f00:1::", false},
	}
	for _, tt := range tests {
		if got := hostmap.Forwardable(netip.MustParseAddr(tt.address)); got != tt.want {
			t.Errorf("Forwardable(%s) = %v, want %v", tt.address, got, tt.want)
		}
	}
	if hostmap.Forwardable(netip.Addr{}) {
		t.Error("no address is forwardable")
	}
}

func TestSelf(t *testing.T) {
	self := hostmap.Self{
		Addresses: []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::3")},
		Listeners: []netip.AddrPort{
			netip.MustParseAddrPort("[::]:8080"), netip.MustParseAddrPort("127.0.0.1:9421"), netip.MustParseAddrPort("192.0.2.1:443"),
		},
	}
	tests := []struct {
		endpoint string
		want     bool
	}{
		{"10.1.2.3:8080", true},
		{"[2001:db8::3]:8080", true},
		{"127.0.0.1:8080", true},
		{"127.9.9.9:8080", true},
		{"[::1]:8080", true},
		{"[::ffff:10.1.2.3]:8080", true},
		{"[64:ff9b::a01:203]:8080", true},
		{"[2002:a01:203::1]:8080", true},
		{"127.0.0.1:9421", true},
		{"192.0.2.1:443", true},

		{"10.1.2.3:8000", false}, // a neighbour in the node's network
		{"10.1.2.4:8080", false},
		{"10.1.2.3:9421", false}, // listens on loopback alone
		{"127.0.0.2:9421", false},
		{"10.1.2.3:443", false},
	}
	for _, tt := range tests {
		if got := self.Is(netip.MustParseAddrPort(tt.endpoint)); got != tt.want {
			t.Errorf("Is(%s) = %v, want %v", tt.endpoint, got, tt.want)
		}
	}
	if (hostmap.Self{}).Is(netip.MustParseAddrPort("10.1.2.3:8080")) {
		t.Error("nobody is taken for somebody")
	}
}
