package upstream

import (
	"golang.org/x/net/http2"
)

// h2SmallFrame bounds the frames that are read through the Framer's own buffer,
// which it keeps.
const h2SmallFrame = 1 << 10

func (c *h2conn) readRare(fh http2.FrameHeader) error {
	if fh.Length > h2SmallFrame && fh.Type == http2.FrameSettings {
		return h2Calm("SETTINGS too long")
	}
	if err := c.meter(); err != nil {
		return err
	}
	if fh.Type == http2.FrameGoAway {
		return c.readGoAway(fh)
	}
	f, err := c.fr.ReadFrameForHeader(fh)
	if err != nil {
		return c.fromFramer(err)
	}
	if f, ok := f.(*http2.SettingsFrame); ok && !f.IsAck() {
		return c.settings(f)
	}
	return nil
}

// settings applies the backend's SETTINGS (RFC 9113 section 6.5).
func (c *h2conn) settings(f *http2.SettingsFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.max
	if !c.greeted {
		limit = h2MaxStreams
	}
	err := f.ForeachSetting(func(v http2.Setting) error {
		if err := v.Valid(); err != nil {
			return c.fromFramer(err)
		}
		switch v.ID {
		case http2.SettingMaxConcurrentStreams:
			limit = int(min(v.Val, h2MaxStreams))
		case http2.SettingEnablePush:
			if v.Val != 0 {
				return h2Protocol("SETTINGS_ENABLE_PUSH from a server")
			}
		case http2.SettingMaxHeaderListSize:
			c.maxList = v.Val
		case http2.SettingEnableConnectProtocol:
			c.tunnels = v.Val == 1
		case http2.SettingHeaderTableSize:
			if v.Val < 4096 {
				c.out.ShrinkTable()
			}
		case http2.SettingInitialWindowSize:
			delta := c.out.SetInitial(v.Val)
			for _, s := range c.open {
				if !c.out.WidenStream(&s.out, delta) {
					return h2Flow("window over 2^31-1")
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.greeted, c.max = true, limit
	c.appendSettingsAck()
	c.out.Pump()
	c.set.wake(limit)
	return nil
}

// offersTunnels says that the backend takes an extended CONNECT. Its SETTINGS
// must have come.
func (c *h2conn) offersTunnels() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tunnels
}
