//go:build !linux || race

package socket

import "net"

// New returns nc: package net's way is the only one here.
func New(nc net.Conn) net.Conn { return nc }
