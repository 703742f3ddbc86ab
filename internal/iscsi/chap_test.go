package iscsi

import (
	"context"
	"crypto/md5"
	"hash"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

// The strongest algorithm that both know, in whatever order it is offered.
func TestCHAPAlgorithms(t *testing.T) {
	for offer, want := range map[string]string{"5": "5", "5,6": "6", "6,5": "6", "7,99": "7", "5,6,7,8": "8", "8,7,6,5": "8"} {
		_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
		i := dial(t, addr)
		i.exchange(pdu.LoginRequest{}, i.names()+"AuthMethod=CHAP\x00")
		_, m := i.exchange(pdu.LoginRequest{}, "CHAP_A="+offer+"\x00")
		if m["CHAP_A"] != want {
			t.Errorf("offer %s: chose %q", offer, m["CHAP_A"])
		}
		r, _ := i.exchange(pdu.LoginRequest{Transit: true, Next: pdu.FullFeature}, i.answerCHAP(m))
		if r.Status != 0 || !r.Transit || r.Next != pdu.FullFeature {
			t.Errorf("offer %s: %+v", offer, r)
		}
	}
}

// prover has a name and a secret of its own, for one user.
type prover struct {
	*authority
	secret string
}

func (p prover) Prove(_ context.Context, _ Login, user string) (name, secret string, ok bool) {
	return "target", p.secret, user == testUser
}

func TestMutualCHAP(t *testing.T) {
	const own = "the target's own secret"
	for _, c := range []struct {
		name   string
		p      Authority
		secret string // what the initiator answers with
		ask    func(m map[string]string) string
		status Status
		reason string
	}{
		{"proved", prover{secret: own}, testSecret, nil, StatusSuccess, ""},
		{"by base64", prover{secret: own}, testSecret, func(map[string]string) string { return "CHAP_I=0x07\x00CHAP_C=0bAQI=\x00" }, StatusSuccess, ""},
		{"nobody to prove it", nil, testSecret, nil, StatusAuthFailure, "not set up"},
		{"wrong secret", prover{secret: own}, "wrong", nil, StatusAuthFailure, "wrong CHAP secret"},
		{"the same secret", prover{secret: testSecret}, testSecret, nil, StatusAuthFailure, "both directions"},
		{"reflection", prover{secret: own}, testSecret, func(m map[string]string) string {
			return "CHAP_I=" + m["CHAP_I"] + "\x00CHAP_C=" + m["CHAP_C"] + "\x00"
		}, StatusAuthFailure, "sent back our own"},
		{"reflection in other digits", prover{secret: own}, testSecret, func(m map[string]string) string {
			return "CHAP_I=9\x00CHAP_C=0X" + strings.ToUpper(m["CHAP_C"][2:]) + "\x00"
		}, StatusAuthFailure, "sent back our own"},
		{"no identifier", prover{secret: own}, testSecret, func(map[string]string) string { return "CHAP_C=0x0102\x00" }, StatusInitiatorError, "go together"},
		{"no challenge", prover{secret: own}, testSecret, func(map[string]string) string { return "CHAP_I=1\x00" }, StatusInitiatorError, "go together"},
		{"identifier", prover{secret: own}, testSecret, func(map[string]string) string { return "CHAP_I=256\x00CHAP_C=0x0102\x00" }, StatusInitiatorError, "cannot be read"},
		{"challenge", prover{secret: own}, testSecret, func(map[string]string) string { return "CHAP_I=1\x00CHAP_C=12\x00" }, StatusInitiatorError, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthority(newMemory(1 << 20))
			var authority Authority = a
			if p, ok := c.p.(prover); ok {
				p.authority = a
				authority = p
			}
			s, addr := serve(t, Options{Authority: authority})
			i := dial(t, addr)
			i.secret = c.secret
			i.exchange(pdu.LoginRequest{}, i.names()+"AuthMethod=CHAP\x00")
			_, m := i.exchange(pdu.LoginRequest{}, "CHAP_A=7\x00")
			ask := "CHAP_I=7\x00CHAP_C=0x0102\x00"
			if c.ask != nil {
				ask = c.ask(m)
			}
			r, m := i.exchange(pdu.LoginRequest{Transit: true, Next: pdu.OperationalStage}, i.answerCHAP(m)+ask)
			if Status(r.Status) != c.status {
				t.Errorf("status %04x, want %04x", r.Status, c.status)
			}
			if c.status != StatusSuccess {
				if m["CHAP_R"] != "" || m["CHAP_N"] != "" {
					t.Errorf("the target has proved itself: %q", m)
				}
				eventually(t, "the reason is told", func() bool {
					_, _, refused := a.lists()
					return len(refused) == 1 && strings.Contains(refused[0], c.reason)
				})
				return
			}
			want, _ := newChap("7")
			want.id, want.challenge = 7, []byte{1, 2}
			if got, err := pdu.ParseBinary(m["CHAP_R"]); err != nil || !want.verify(own, got) || m["CHAP_N"] != "target" {
				t.Errorf("answer %q", m)
			}
			i.exchange(pdu.LoginRequest{Stage: pdu.OperationalStage, Transit: true, Next: pdu.FullFeature}, "")
			if l := s.Sessions(); len(l) != 1 || !l[0].Mutual {
				t.Errorf("sessions: %+v", l)
			}
		})
	}
}

// counted is a hash that counts what it is given.
type counted struct {
	hash.Hash
	bytes, sums *int
}

func (c counted) Write(p []byte) (int, error) { *c.bytes += len(p); return c.Hash.Write(p) }
func (c counted) Sum(b []byte) []byte         { *c.sums++; return c.Hash.Sum(b) }

// Time does not tell whether there is an account, nor how wrong a response is.
func TestWrongAccountsAreTheSameWork(t *testing.T) {
	work := func(user, response string) (bytes, sums int) {
		n := negotiator{authority: newAuthority(newMemory(1 << 20)), chap: &chap{
			hash: func() hash.Hash { return counted{md5.New(), &bytes, &sums} }, id: 7, challenge: make([]byte, md5.Size),
		}}
		if _, err := n.verify(t.Context(), user, response); err == nil {
			t.Errorf("%s is let in", user)
		}
		return bytes, sums
	}
	c := chap{hash: md5.New, id: 7, challenge: make([]byte, md5.Size)}
	near := c.respond(testSecret)
	near[md5.Size-1] ^= 1
	wantBytes, wantSums := work(testUser, "0x00")
	for user, response := range map[string]string{"nobody": "0x00", testUser: pdu.FormatBinary(near), "": ""} {
		if bytes, sums := work(user, response); bytes != wantBytes || sums != wantSums || sums != 1 {
			t.Errorf("%q: %d bytes in %d sums, want %d in %d", user, bytes, sums, wantBytes, wantSums)
		}
	}
}

// An initiator that does not take the target's proof says nothing: it leaves.
func TestProofNotTaken(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	_, addr := serve(t, Options{Authority: prover{a, "the target's own secret"}})
	i := dial(t, addr)
	i.exchange(pdu.LoginRequest{}, i.names()+"AuthMethod=CHAP\x00")
	_, m := i.exchange(pdu.LoginRequest{}, "CHAP_A=5\x00")
	i.exchange(pdu.LoginRequest{Transit: true, Next: pdu.OperationalStage}, i.answerCHAP(m)+"CHAP_I=7\x00CHAP_C=0x0102\x00")
	i.conn.Close()
	const want = "initiator left when the target had proved itself by mutual CHAP: it has another secret for that"
	eventually(t, "the reason is told", func() bool {
		_, _, refused := a.lists()
		return len(refused) == 1 && refused[0] == want
	})
}

// Who guesses waits after each guess.
func TestRefusalDelay(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20)), RefusalDelay: 100 * time.Millisecond})
	i := dial(t, addr)
	i.secret = "guess"
	begin := time.Now()
	if status, _ := i.tryLogin(); status != StatusAuthFailure || time.Since(begin) < 100*time.Millisecond {
		t.Errorf("status %04x after %v", status, time.Since(begin))
	}
}

// renewing gives everybody another secret once theirs was asked for.
type renewing struct {
	*authority
	asked *int
}

func (r renewing) Account(ctx context.Context, l Login, user string) (string, bool) {
	secret, ok := r.authority.Account(ctx, l, user)
	if *r.asked++; *r.asked > 1 {
		secret = "made anew since"
	}
	return secret, ok
}

// A secret that was replaced while its login went on does not let in.
func TestSecretReplacedDuringLogin(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	_, addr := serve(t, Options{Authority: renewing{a, new(int)}})
	if status, _ := dial(t, addr).tryLogin(); status != StatusAuthFailure {
		t.Errorf("status %04x", status)
	}
	opened, _, refused := a.lists()
	if want := `"pc1" was given another CHAP secret during the login`; len(opened) != 0 || len(refused) != 1 || refused[0] != want {
		t.Errorf("opened %q, refused %q", opened, refused)
	}
}
