package iscsi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"bootes.dev/internal/iscsi/pdu"
)

func itoa(n int) string { return strconv.Itoa(n) }

// security answers the keys of the security stage:
//
//	I: AuthMethod=CHAP,None           T: AuthMethod=CHAP
//	I: CHAP_A=7,5                     T: CHAP_A=7 CHAP_I=23 CHAP_C=0x…
//	I: CHAP_N=user CHAP_R=0x…         T: (nothing; authenticated)
func (n *negotiator) security(ctx context.Context, pairs []pdu.KeyValue, a *answer) error {
	get := func(key string) (string, bool) {
		for _, p := range pairs {
			if p.Key == key {
				return p.Value, true
			}
		}
		return "", false
	}
	if offer, ok := get("AuthMethod"); ok {
		if choose(offer, "CHAP") != "CHAP" {
			return refuse(StatusAuthFailure, "initiator did not offer CHAP")
		}
		n.chosen = true
		a.add("AuthMethod", "CHAP")
	}
	if offer, ok := get("CHAP_A"); ok {
		if err := n.challenge(offer, a); err != nil {
			return err
		}
	}
	user, hasUser := get("CHAP_N")
	response, hasResponse := get("CHAP_R")
	if !hasUser && !hasResponse {
		return nil
	}
	if _, mutual := get("CHAP_C"); mutual {
		return refuse(StatusAuthFailure, "initiator wants the target to prove itself by mutual CHAP, which is not set up")
	}
	if !hasUser || !hasResponse || n.authenticated {
		return refuse(StatusInitiatorError, "CHAP out of order")
	}
	return n.verify(ctx, user, response)
}

func (n *negotiator) challenge(offer string, a *answer) error {
	if !n.chosen || n.chap != nil {
		return refuse(StatusInitiatorError, "CHAP out of order")
	}
	c, ok := newChap(offer)
	if !ok {
		return refuse(StatusAuthFailure, "initiator knows no CHAP algorithm of ours: %.64q", offer)
	}
	n.chap = c
	a.add("CHAP_A", c.algorithm)
	a.add("CHAP_I", itoa(int(c.id)))
	a.add("CHAP_C", hexValue(c.challenge))
	return nil
}

func (n *negotiator) verify(ctx context.Context, user, response string) error {
	if n.chap == nil {
		return refuse(StatusInitiatorError, "CHAP out of order")
	}
	if len(user) > 255 {
		return refuse(StatusAuthFailure, "CHAP name of %d bytes", len(user))
	}
	n.user = printable(user)
	got, ok := binaryValue(response)
	secret, known := n.authority.Account(ctx, n.req, user)
	if !known {
		// The same work as for a known name, so that time tells nothing.
		h := sha256.Sum256(n.chap.challenge)
		secret = hex.EncodeToString(h[:])
	}
	if proved := n.chap.verify(secret, got); !ok || !known || !proved || secret == "" {
		if !known {
			return refuse(StatusAuthFailure, "no account %q", n.user)
		}
		return refuse(StatusAuthFailure, "wrong CHAP secret for %q", n.user)
	}
	n.authenticated = true
	return nil
}

// printable is s fit for logs.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c >= 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}
