package iscsi

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/subtle"
	"hash"
	"slices"
	"strings"
)

// chapHashes are the algorithms of CHAP_A (RFC 7143, 12.1.3 and IANA's PPP
// authentication algorithms), the strongest first. iPXE knows only 5.
var chapHashes = [...]struct {
	algorithm string
	hash      func() hash.Hash
}{
	{"8", func() hash.Hash { return sha3.New256() }},
	{"7", sha256.New},
	{"6", sha1.New},
	{"5", md5.New},
}

// chap is one direction of a CHAP exchange (RFC 1994): the response is
// H(id, secret, challenge).
type chap struct {
	algorithm string
	hash      func() hash.Hash
	id        byte
	challenge []byte
}

// newChap answers an offer of CHAP_A with a challenge, by the strongest
// algorithm that both sides know, whatever the order of the offer; false if they
// know none.
func newChap(offer string) (*chap, bool) {
	offered := strings.Split(offer, ",")
	for _, h := range chapHashes {
		if slices.Contains(offered, h.algorithm) {
			c := &chap{algorithm: h.algorithm, hash: h.hash, challenge: make([]byte, h.hash().Size()+1)}
			_, _ = rand.Read(c.challenge) // never fails
			c.id, c.challenge = c.challenge[0], c.challenge[1:]
			return c, true
		}
	}
	return nil, false
}

func (c *chap) respond(secret string) []byte {
	h := c.hash()
	h.Write([]byte{c.id})
	h.Write([]byte(secret))
	h.Write(c.challenge)
	return h.Sum(nil)
}

// verify tells in constant time whether response proves secret.
func (c *chap) verify(secret string, response []byte) bool {
	return subtle.ConstantTimeCompare(c.respond(secret), response) == 1
}
