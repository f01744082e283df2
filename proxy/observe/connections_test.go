package observe

import (
	"maps"
	"testing"
)

func TestConnectionsAreCountedByProtocol(t *testing.T) {
	o := New(Config{})
	defer o.Close()
	if got := o.Connections(); len(got) != 0 {
		t.Errorf("%v connections of none", got)
	}
	for _, protocol := range []string{"h2", "h2", "http/1.1"} {
		o.Opened(protocol)
	}
	o.Ended("h2")
	if got, want := o.Connections(), map[string]int{"h2": 1, "http/1.1": 1}; !maps.Equal(got, want) {
		t.Errorf("connections %v, want %v", got, want)
	}
}
