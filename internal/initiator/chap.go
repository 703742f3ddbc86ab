package initiator

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"bootes.dev/internal/iscsi/pdu"
)

// chapHash returns the hash of a CHAP_A value (RFC 7143, 12.1.3), nil for
// one that is not known.
func chapHash(algorithm string) hash.Hash {
	switch algorithm {
	case "5":
		return md5.New()
	case "6":
		return sha1.New()
	case "7":
		return sha256.New()
	case "8":
		return sha3.New256()
	}
	return nil
}

// chapResponse is H(id, secret, challenge) (RFC 1994, 4.1).
func chapResponse(h hash.Hash, id byte, secret string, challenge []byte) []byte {
	h.Reset()
	h.Write([]byte{id})
	h.Write([]byte(secret))
	h.Write(challenge)
	return h.Sum(nil)
}

// chap is the exchange as the initiator sees it.
type chap struct {
	algorithm string
	id        byte   // of our own challenge to the target
	challenge []byte // nil: the target is not asked
}

// errNotProved: the target does not know its own secret.
var errNotProved = errors.New("target does not prove itself by mutual CHAP")

// answer answers the target's challenge and, for mutual CHAP, adds one.
func (c *chap) answer(o *Options, keys map[string]string) (text []byte, err error) {
	c.algorithm = keys["CHAP_A"]
	h := chapHash(c.algorithm)
	if h == nil || !offered(o.Algorithms, c.algorithm) {
		return nil, fmt.Errorf("target chose CHAP algorithm %q of %q", c.algorithm, o.Algorithms)
	}
	id, err := strconv.ParseUint(keys["CHAP_I"], 10, 8)
	if err != nil {
		return nil, fmt.Errorf("read CHAP_I %q: %w", keys["CHAP_I"], err)
	}
	challenge, err := pdu.ParseBinary(keys["CHAP_C"])
	if err != nil {
		return nil, fmt.Errorf("read CHAP_C: %w", err)
	}
	text = appendKeys(nil, "CHAP_N", o.User, "CHAP_R", pdu.FormatBinary(chapResponse(h, byte(id), o.Secret, challenge)))
	if o.ReverseUser != "" {
		c.challenge = make([]byte, h.Size())
		_, _ = rand.Read(c.challenge) // never fails
		c.id = c.challenge[0]
		text = appendKeys(text, "CHAP_I", strconv.Itoa(int(c.id)), "CHAP_C", pdu.FormatBinary(c.challenge))
	}
	if bytes.Equal(c.challenge, challenge) {
		return nil, errNotProved
	}
	return text, nil
}

// check looks at the target's answer to our challenge.
func (c *chap) check(o *Options, keys map[string]string) error {
	if c.challenge == nil {
		return nil
	}
	response, err := pdu.ParseBinary(keys["CHAP_R"])
	want := chapResponse(chapHash(c.algorithm), c.id, o.ReverseSecret, c.challenge)
	if err != nil || keys["CHAP_N"] != o.ReverseUser || subtle.ConstantTimeCompare(response, want) != 1 {
		return errNotProved
	}
	return nil
}

func offered(list, value string) bool {
	for v := range strings.SplitSeq(list, ",") {
		if v == value {
			return true
		}
	}
	return false
}
