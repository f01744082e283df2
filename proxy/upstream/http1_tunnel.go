package upstream

// http1Tunnel is the connection after 101.
type http1Tunnel http1Response

func (t *http1Tunnel) Read(p []byte) (int, error) {
	if t.in.r < t.in.w {
		n := copy(p, t.in.b[t.in.r:t.in.w])
		t.in.r += n
		return n, nil
	}
	return t.c.nc.Read(p)
}

func (t *http1Tunnel) Write(p []byte) (int, error) { return t.c.nc.Write(p) }

// CloseWrite tells the backend that no more will come, where that is possible.
func (t *http1Tunnel) CloseWrite() error {
	if half, ok := t.c.nc.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (t *http1Tunnel) Close() error { return t.c.nc.Close() }
