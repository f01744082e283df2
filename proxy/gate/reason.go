package gate

// Reasons of our answers, beside those of the rule and of the terms.
const (
	// 400.
	reasonBadAuthority = "bad_authority"
	reasonHostConflict = "host_conflict"
	reasonBadPath      = "bad_path"
	// 405 and 417.
	reasonMethod      = "method"
	reasonExpectation = "expectation"
	// 401: nobody whom the route's terms know.
	reasonUnauthorized = "unauthorized"
	// 503: a client has had all that one may have.
	reasonQuota = "quota"
)

// Error types (RFC 9209 section 2.3).
const (
	// requestError: something is wrong with the request itself.
	requestError = "http_request_error"
	// requestDenied: it may not be asked for.
	requestDenied = "http_request_denied"
)
