package balance

import (
	"encoding/base64"
	"hash/fnv"
)

func (b *Backend) homes() *homes {
	b.seek.Do(func() { b.found = b.findHomes() })
	return b.found
}

// findHomes makes homes. What is told of an endpoint is a digest under a secret of
// its own Service: the uid, which clients are not told and all replicas know, or
// what this process has drawn.
func (b *Backend) findHomes() *homes {
	h := &homes{seeds: make([]uint64, len(b.members)), tags: make([]SessionKey, len(b.members))}
	k := &b.ledger.key
	copy(h.id[:], digest([]byte(b.uid), k.namespace+"\x00"+k.service+"\x00"+k.port))
	secret := []byte(b.uid)
	if b.uid == "" {
		secret = b.registry.secret[:]
	}
	for i := range b.members {
		addr := b.members[i].addr.String()
		copy(h.tags[i][:], digest(secret, addr))
		f := fnv.New64a()
		_, _ = f.Write([]byte(addr)) // never fails
		h.seeds[i] = mix(f.Sum64())
	}
	return h
}

// Session reads the value of a cookie. ok: it is one of this backend's.
func (b *Backend) Session(cookie string) (key SessionKey, ok bool) {
	var raw [len(homes{}.id) + len(key)]byte
	if base64.RawURLEncoding.DecodedLen(len(cookie)) != len(raw) {
		return key, false
	}
	if _, err := base64.RawURLEncoding.Decode(raw[:], []byte(cookie)); err != nil {
		return key, false
	}
	id := &b.homes().id
	if [len(id)]byte(raw[:]) != *id {
		return key, false
	}
	return SessionKey(raw[len(id):]), true
}

// cookie is what Session reads.
func (b *Backend) cookie(key SessionKey) string {
	return base64.RawURLEncoding.EncodeToString(append(b.homes().id[:], key[:]...))
}

// first returns the member at which a key is at home, of those that are fit; nil:
// there is none.
func (b *Backend) first(k Key, fit func(*member) bool) (first *member) {
	seeds, most := b.homes().seeds, uint64(0)
	for i := range b.members {
		if rank := k.rank(seeds[i]); (first == nil || rank > most) && fit(&b.members[i]) {
			first, most = &b.members[i], rank
		}
	}
	return first
}

// after returns the member that comes after n others for a key.
func (b *Backend) after(k Key, n int) (m *member) {
	seeds, last := b.homes().seeds, uint64(0)
	for round := range n + 1 {
		var next *member
		most := uint64(0)
		for i := range b.members {
			rank := k.rank(seeds[i])
			if (round == 0 || rank < last) && (next == nil || rank > most) {
				next, most = &b.members[i], rank
			}
		}
		if next == nil {
			break
		}
		m, last = next, most
	}
	return m
}

// tagged returns the member with a digest; nil: there is none.
func (b *Backend) tagged(k SessionKey) *member {
	for i, tag := range b.homes().tags {
		if tag == k {
			return &b.members[i]
		}
	}
	return nil
}

// tagOf returns the digest of an endpoint.
func (b *Backend) tagOf(e *endpoint) (tag SessionKey) {
	for i := range b.members {
		if b.members[i].endpoint == e {
			return b.homes().tags[i]
		}
	}
	return tag
}

// maxDraws bounds how many keys are drawn for one that is at home at an endpoint.
// Of n endpoints every nth key is, so that hardly any draw is in vain.
const maxDraws = 1 << 14

// keyFor draws a key that is at home at an endpoint. ok: there was one.
func (b *Backend) keyFor(e *endpoint) (k SessionKey, ok bool) {
	for range maxDraws / len(b.members) {
		k = drawKey()
		if m := b.first(k.key(), anyMember); m.endpoint == e {
			return k, true
		}
	}
	return k, false
}

func anyMember(*member) bool { return true }
