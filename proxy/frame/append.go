package frame

import (
	"encoding/binary"

	"golang.org/x/net/http2"
)

const (
	// HeaderLen is the length of a frame's header.
	HeaderLen = 9
	// MaxPayload is the payload that every peer takes (RFC 9113 section 4.2), in
	// octets.
	MaxPayload = 16 << 10
	// MaxData makes a DATA frame fill one TLS record with its header.
	MaxData = MaxPayload - HeaderLen
)

// AppendHeader appends the header of a frame.
func AppendHeader(b []byte, length int, t http2.FrameType, flags http2.Flags, id uint32) []byte {
	return append(b, byte(length>>16), byte(length>>8), byte(length), byte(t), byte(flags),
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

// AppendSettings appends SETTINGS.
func AppendSettings(b []byte, settings ...http2.Setting) []byte {
	b = AppendHeader(b, 6*len(settings), http2.FrameSettings, 0, 0)
	for _, s := range settings {
		b = binary.BigEndian.AppendUint16(b, uint16(s.ID))
		b = binary.BigEndian.AppendUint32(b, s.Val)
	}
	return b
}

// AppendSettingsAck appends the acknowledgement of the peer's SETTINGS.
func AppendSettingsAck(b []byte) []byte {
	return AppendHeader(b, 0, http2.FrameSettings, http2.FlagSettingsAck, 0)
}

// AppendWindowUpdate appends WINDOW_UPDATE; id 0 is the connection.
func AppendWindowUpdate(b []byte, id, inc uint32) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, 4, http2.FrameWindowUpdate, 0, id), inc)
}

// appendData appends DATA.
func appendData(b []byte, id uint32, p []byte, end bool) []byte {
	var flags http2.Flags
	if end {
		flags = http2.FlagDataEndStream
	}
	return append(AppendHeader(b, len(p), http2.FrameData, flags, id), p...)
}

// AppendReset appends RST_STREAM.
func AppendReset(b []byte, id uint32, code http2.ErrCode) []byte {
	return binary.BigEndian.AppendUint32(AppendHeader(b, 4, http2.FrameRSTStream, 0, id), uint32(code))
}

// AppendPing appends PING with 8 octets of data, or the answer to one.
func AppendPing(b []byte, ack bool, data string) []byte {
	var flags http2.Flags
	if ack {
		flags = http2.FlagPingAck
	}
	return append(AppendHeader(b, len(data), http2.FramePing, flags, 0), data...)
}

// AppendGoAway appends GOAWAY with debug data.
func AppendGoAway(b []byte, last uint32, code http2.ErrCode, debug string) []byte {
	b = AppendHeader(b, 8+len(debug), http2.FrameGoAway, 0, 0)
	b = binary.BigEndian.AppendUint32(b, last)
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	return append(b, debug...)
}

// beginHead appends the header of a HEADERS frame whose length is not known. endHead
// has to follow when the header block was appended.
func beginHead(b []byte, id uint32, end bool) []byte {
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	return AppendHeader(b, 0, http2.FrameHeaders, flags, id)
}

// appendEmptyTable appends what says that our HPACK table is empty (RFC 7541 section
// 6.3): a header block must begin with it after the peer has made the table smaller.
func appendEmptyTable(b []byte) []byte { return append(b, 0x20) }

// endHead completes the HEADERS frame that begins at start and ends with b. A
// header block that is too large for one frame is continued in others.
func endHead(b []byte, start int) []byte {
	n := len(b) - start - HeaderLen
	if n > MaxPayload {
		return splitHead(b, start)
	}
	b[start], b[start+1], b[start+2] = byte(n>>16), byte(n>>8), byte(n)
	return b
}

func splitHead(b []byte, start int) []byte {
	flags := http2.Flags(b[start+4]) &^ http2.FlagHeadersEndHeaders
	id := binary.BigEndian.Uint32(b[start+5:])
	block := append([]byte(nil), b[start+HeaderLen:]...)
	b = AppendHeader(b[:start], MaxPayload, http2.FrameHeaders, flags, id)
	b = append(b, block[:MaxPayload]...)
	for block = block[MaxPayload:]; len(block) > 0; {
		n := min(len(block), MaxPayload)
		flags = 0
		if n == len(block) {
			flags = http2.FlagContinuationEndHeaders
		}
		b = AppendHeader(b, n, http2.FrameContinuation, flags, id)
		b = append(b, block[:n]...)
		block = block[n:]
	}
	return b
}
