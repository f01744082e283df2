package compile

import "github.com/ingress421/ingress421/internal/hostmap"

// Contested are the owners of hosts that others claim too, by host: what an
// [Input] needs so that a Build without a previous map gives them to the same.
func Contested(m *hostmap.Map) map[string]string {
	owners := make(map[string]string)
	for _, s := range m.Sites() {
		if s.Contested && s.Namespace != "" {
			owners[s.Host] = s.Namespace
		}
	}
	return owners
}
