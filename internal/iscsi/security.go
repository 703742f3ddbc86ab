package iscsi

import (
	"bytes"
	"context"
	"crypto/subtle"
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
//
// and for mutual CHAP, if the Authority is a Prover,
//
//	I: … CHAP_I=7 CHAP_C=0x…          T: CHAP_N=target CHAP_R=0x…
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
	if !hasUser || !hasResponse || n.authenticated {
		return refuse(StatusInitiatorError, "CHAP out of order")
	}
	secret, err := n.verify(ctx, user, response)
	if err != nil {
		return err
	}
	id, hasID := get("CHAP_I")
	challenge, hasChallenge := get("CHAP_C")
	if hasID != hasChallenge {
		return refuse(StatusInitiatorError, "CHAP_I and CHAP_C go together")
	}
	if hasChallenge {
		if err := n.prove(ctx, user, secret, id, challenge, a); err != nil {
			return err
		}
	}
	n.authenticated, n.secret = true, secret
	return nil
}

// prove answers the initiator's challenge, once it has proved itself: nobody
// else gets a response. What would help an attacker who passes challenges and
// responses between connections is refused (RFC 7143, 9.2.1): a challenge of our
// own sent back, and one secret for both directions.
func (n *negotiator) prove(ctx context.Context, user, secret, id, challenge string, a *answer) error {
	prover, ok := n.authority.(Prover)
	var name, own string
	if ok {
		name, own, ok = prover.Prove(ctx, n.req, user)
	}
	if !ok {
		return refuse(StatusAuthFailure, "initiator wants the target to prove itself by mutual CHAP, which is not set up")
	}
	number, okID := number(id, 0, 255)
	c, err := pdu.ParseBinary(challenge)
	switch {
	case !okID || err != nil:
		return refuse(StatusInitiatorError, "initiator's CHAP challenge cannot be read")
	case bytes.Equal(c, n.chap.challenge):
		return refuse(StatusAuthFailure, "initiator sent back our own CHAP challenge")
	case subtle.ConstantTimeCompare([]byte(own), []byte(secret)) == 1:
		return refuse(StatusAuthFailure, "the CHAP secrets of both directions are the same")
	}
	n.mutual = true
	theirs := chap{hash: n.chap.hash, id: byte(number), challenge: c}
	a.add("CHAP_N", name)
	a.add("CHAP_R", pdu.FormatBinary(theirs.respond(own)))
	return nil
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
	a.add("CHAP_C", pdu.FormatBinary(c.challenge))
	return nil
}

// usualSecret is the length of a secret, in bytes: the most that Windows takes.
const usualSecret = 16

// verify returns the secret that the initiator has proved to know.
func (n *negotiator) verify(ctx context.Context, user, response string) (string, error) {
	if n.chap == nil {
		return "", refuse(StatusInitiatorError, "CHAP out of order")
	}
	if len(user) > 255 {
		return "", refuse(StatusAuthFailure, "CHAP name of %d bytes", len(user))
	}
	n.user = printable(user)
	got, err := pdu.ParseBinary(response)
	secret, known := n.authority.Account(ctx, n.req, user)
	if !known {
		// The same work as for a known name, so that time tells nothing.
		secret = hex.EncodeToString(n.chap.challenge[:usualSecret/2])
	}
	if proved := n.chap.verify(secret, got); err != nil || !known || !proved || secret == "" {
		if !known {
			return "", refuse(StatusAuthFailure, "no account %q", n.user)
		}
		return "", refuse(StatusAuthFailure, "wrong CHAP secret for %q", n.user)
	}
	return secret, nil
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
