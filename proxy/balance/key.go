package balance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// Key is what requests for one endpoint have in common. Where it leads is the
// same in all replicas.
type Key uint64

// SessionKey is what a client's cookie says of the endpoint that it is tied to: a
// number drawn by lot, or a digest of the endpoint.
type SessionKey [12]byte

// homes are by what keys find the endpoints of a backend, in the order of its
// members. They are made when the first key is there.
type homes struct {
	// id tells the backend's cookies from others'.
	id [6]byte
	// seeds make a rank of each key and endpoint, tags are the endpoints' keys.
	seeds []uint64
	tags  []SessionKey
}

// key is where a session without a digest is at home.
func (k SessionKey) key() Key { return Key(binary.BigEndian.Uint64(k[:])) }

// drawKey makes a session's key by lot.
func drawKey() (k SessionKey) {
	binary.BigEndian.PutUint64(k[:], rand.Uint64())
	binary.BigEndian.PutUint32(k[8:], rand.Uint32())
	return k
}

// rank orders the endpoints for a key (rendezvous hashing): each endpoint has its
// own number with each key, so that one which comes or goes takes its own keys
// alone with it.
func (k Key) rank(seed uint64) uint64 { return mix(uint64(k) ^ seed) }

// mix makes numbers in a row look drawn by lot (splitmix64's finalizer).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func digest(secret []byte, of string) []byte {
	m := hmac.New(sha256.New, secret)
	_, _ = m.Write([]byte(of)) // never fails
	return m.Sum(nil)
}
