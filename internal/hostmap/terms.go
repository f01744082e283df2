package hostmap

// Terms are what is asked of requests, and done to them, beside the rule. The
// zero value asks and does nothing. Two that are == are the same terms.
//
// A field belongs to the terms of a site or of a route, as it says, and is ""
// or 0 in the others. The compiler fills it in.
type Terms struct {
	// HTTPSRedirect, of a site, sends cleartext requests to https. [Apply]
	// reads it.
	HTTPSRedirect bool
}
