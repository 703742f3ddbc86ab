package iscsi

import (
	"context"
	"crypto/md5"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bootes.dev/internal/iscsi/pdu"
)

func TestLoginRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*initiator)
		status Status
		reason string
	}{
		{"wrong secret", func(i *initiator) { i.secret = "wrong" }, StatusAuthFailure, "wrong CHAP secret"},
		{"unknown account", func(i *initiator) { i.user = "nobody" }, StatusAuthFailure, "no account"},
		{"no CHAP", func(i *initiator) { i.method = "None" }, StatusAuthFailure, "did not offer CHAP"},
		{"wrong IQN", func(i *initiator) { i.target = "iqn.2026-01.dev.bootes:pc2" }, StatusNotFound, "no target"},
		{"no target", func(i *initiator) { i.target = "" }, StatusMissingParameter, "named no target"},
		{"no initiator", func(i *initiator) { i.name = "" }, StatusMissingParameter, "no valid name"},
		{"unprintable initiator", func(i *initiator) { i.name = "a\nb" }, StatusMissingParameter, "no valid name"},
		{"session type", func(i *initiator) { i.session = "Odd" }, StatusBadSessionType, "session type"},
		{"discovery without CHAP", func(i *initiator) { i.session, i.method = "Discovery", "None" }, StatusAuthFailure, "did not offer CHAP"},
		{"discovery with wrong secret", func(i *initiator) { i.session, i.secret = "Discovery", "no" }, StatusAuthFailure, "wrong CHAP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthority(newMemory(1 << 20))
			s, addr := serve(t, Options{Authority: a})
			i := dial(t, addr)
			c.change(i)
			status, _ := i.tryLogin()
			if status != c.status {
				t.Errorf("status %04x, want %04x", status, c.status)
			}
			i.expectEnd()
			opened, _, refused := a.lists()
			if len(opened) > 0 || len(s.Sessions()) > 0 {
				t.Error("the target was opened")
			}
			if len(refused) != 1 || !strings.Contains(refused[0], c.reason) {
				t.Errorf("Refused was told %q, want %q", refused, c.reason)
			}
			if n := s.RefusedLogins(); len(n) != 1 || n[c.status.String()] != 1 {
				t.Errorf("counted %v", n)
			}
		})
	}
}

// First requests that break the protocol, or skip security.
func TestLoginFirstRequest(t *testing.T) {
	names := "InitiatorName=iqn.x\x00TargetName=" + testTarget + "\x00"
	for _, c := range []struct {
		name   string
		req    pdu.LoginRequest
		text   string
		status Status
	}{
		{"operational stage first", pdu.LoginRequest{Stage: pdu.OperationalStage}, names, StatusAuthFailure},
		{"straight to full feature", pdu.LoginRequest{Transit: true, Next: pdu.FullFeature}, names, StatusAuthFailure},
		{"stage 2", pdu.LoginRequest{Stage: 2}, names, StatusInvalidRequest},
		{"next stage 2", pdu.LoginRequest{Transit: true, Next: 2}, names, StatusInvalidRequest},
		{"backwards", pdu.LoginRequest{Transit: true}, names, StatusInvalidRequest},
		{"version", pdu.LoginRequest{VersionMin: 1, VersionMax: 1}, names, StatusBadVersion},
		{"T and C", pdu.LoginRequest{Transit: true, Continue: true, Next: pdu.OperationalStage}, names, StatusInitiatorError},
		{"key twice", pdu.LoginRequest{}, names + names, StatusInitiatorError},
		{"no key", pdu.LoginRequest{}, "=x\x00", StatusInitiatorError},
		{"CHAP_A unasked", pdu.LoginRequest{}, names + "CHAP_A=5\x00", StatusInitiatorError},
		{"CHAP_R unasked", pdu.LoginRequest{}, names + "CHAP_N=a\x00CHAP_R=0x00\x00", StatusInitiatorError},
		{"unknown CHAP_A", pdu.LoginRequest{}, names + "AuthMethod=CHAP\x00CHAP_A=99\x00", StatusAuthFailure},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
			i := dial(t, addr)
			r, _ := i.exchange(c.req, c.text)
			if Status(r.Status) != c.status {
				t.Errorf("status %04x, want %04x", r.Status, c.status)
			}
			i.expectEnd()
		})
	}
}

func TestLoginNotFirst(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr)
	i.send(&pdu.NopOut{Immediate: true, ITT: 1, TTT: pdu.NoTag}, nil)
	i.expectEnd()
}

// RFC 1994's H(id, secret, challenge), worked out by another program:
// printf '\x17secret\x01\x02' | md5sum.
func TestCHAPResponse(t *testing.T) {
	c := chap{hash: md5.New, id: 0x17, challenge: []byte{1, 2}}
	const want = "0xea068e58e890c0010100b3912b2c2d00"
	got := pdu.FormatBinary(c.respond("secret"))
	if got != want || !c.verify("secret", c.respond("secret")) || c.verify("secrets", c.respond("secret")) || c.verify("secret", nil) {
		t.Errorf("got %s", got)
	}
}

// Text in several PDUs: all but the last have the C bit and get an empty answer.
func TestLoginContinue(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr)
	text := i.names() + "AuthMethod=CHAP\x00"
	r, m := i.exchange(pdu.LoginRequest{Continue: true}, text[:20])
	if r.Status != 0 || r.Transit || r.Continue || len(m) > 0 {
		t.Fatalf("answer to the C bit: %+v %q", r, m)
	}
	r, m = i.exchange(pdu.LoginRequest{}, text[20:])
	if r.Status != 0 || m["AuthMethod"] != "CHAP" || m["TargetPortalGroupTag"] != "1" {
		t.Fatalf("answer: %+v %q", r, m)
	}
}

func TestLoginWithoutEnd(t *testing.T) {
	for name, part := range map[string]string{"much text": strings.Repeat("x", 8192), "many PDUs": ""} {
		t.Run(name, func(t *testing.T) {
			_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
			i := dial(t, addr)
			for range maxLoginPDUs + 1 {
				if r, _ := i.exchange(pdu.LoginRequest{Continue: true}, part); r.Status != 0 {
					if Status(r.Status) != StatusInitiatorError {
						t.Errorf("status %04x", r.Status)
					}
					return
				}
			}
			t.Error("login goes on for ever")
		})
	}
}

func TestLoginOversize(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20))})
	i := dial(t, addr)
	i.send(&pdu.LoginRequest{DataLength: loginData + 1}, nil)
	i.expectEnd()
}

// A stranger who connects and says nothing, or not enough, is gone in time.
func TestSlowLogin(t *testing.T) {
	for name, say := range map[string]func(*initiator){
		"silent": func(*initiator) {},
		"half":   func(i *initiator) { _, _ = i.conn.Write(make([]byte, 20)) },
		"begun":  func(i *initiator) { i.exchange(pdu.LoginRequest{}, i.names()+"AuthMethod=CHAP\x00") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{Authority: newAuthority(newMemory(1 << 20)), LoginTimeout: 30 * time.Second})
				ours, theirs := net.Pipe()
				defer theirs.Close()
				start := time.Now()
				done := make(chan time.Duration)
				go func() {
					s.serveConn(context.Background(), ours)
					done <- time.Since(start)
				}()
				say(newInitiator(t, theirs))
				time.Sleep(29 * time.Second)
				synctest.Wait()
				select {
				case took := <-done:
					t.Fatalf("ended after %v", took)
				default:
				}
				go func() { // take the refusal, if there is one
					b := make([]byte, 512)
					for {
						if _, err := theirs.Read(b); err != nil {
							return
						}
					}
				}()
				if took := <-done; took > 32*time.Second {
					t.Errorf("ended after %v", took)
				}
				theirs.Close()
			})
		})
	}
}

func TestTooManyLogins(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(1 << 20)), MaxLogins: 4})
	first := dial(t, addr) // one of four: a quarter for one address
	first.exchange(pdu.LoginRequest{}, first.names()+"AuthMethod=CHAP\x00")
	dial(t, addr).expectEnd()
	first.conn.Close()
	eventually(t, "another may log in", func() bool {
		i := dial(t, addr)
		_ = i.conn.SetDeadline(time.Now().Add(time.Second))
		b, _ := (&pdu.LoginRequest{}).AppendBinary(nil)
		_, _ = i.conn.Write(b)
		_, err := i.conn.Read(make([]byte, 1))
		return err == nil
	})
}

func TestNegotiate(t *testing.T) {
	for _, c := range []struct{ key, offer, answer, discovery string }{
		{"HeaderDigest", "CRC32C,None", "CRC32C", "CRC32C"},
		{"HeaderDigest", "None,CRC32C", "None", "None"},
		{"DataDigest", "X-odd", "Reject", "Reject"},
		{"MaxConnections", "8", "1", "Irrelevant"},
		{"InitialR2T", "No", "No", "Irrelevant"},
		{"InitialR2T", "Yes", "Yes", "Irrelevant"},
		{"InitialR2T", "yes", "Reject", "Irrelevant"},
		{"ImmediateData", "Yes", "Yes", "Irrelevant"},
		{"ImmediateData", "No", "No", "Irrelevant"},
		{"MaxRecvDataSegmentLength", "8192", "", ""},
		{"MaxRecvDataSegmentLength", "511", "Reject", "Reject"},
		{"MaxBurstLength", "16776192", "262144", "Irrelevant"},
		{"MaxBurstLength", "0x400", "1024", "Irrelevant"},
		{"MaxBurstLength", "16777216", "Reject", "Irrelevant"},
		{"FirstBurstLength", "65536", "65536", "Irrelevant"},
		{"DefaultTime2Wait", "0", "2", "2"},
		{"DefaultTime2Wait", "5", "5", "5"},
		{"DefaultTime2Retain", "20", "0", "0"},
		{"MaxOutstandingR2T", "4", "1", "Irrelevant"},
		{"DataPDUInOrder", "No", "Yes", "Irrelevant"},
		{"DataSequenceInOrder", "No", "Yes", "Irrelevant"},
		{"ErrorRecoveryLevel", "2", "0", "0"},
		{"ErrorRecoveryLevel", "3", "Reject", "Reject"},
		{"IFMarker", "Yes", "No", "No"},
		{"OFMarkInt", "2048", "Irrelevant", "Irrelevant"},
		{"TaskReporting", "FastAbort,RFC3720", "RFC3720", "RFC3720"},
		{"iSCSIProtocolLevel", "2", "1", "1"},
		{"X-com.example", "1", "NotUnderstood", "NotUnderstood"},
	} {
		for discovery, want := range map[bool]string{false: c.answer, true: c.discovery} {
			p := defaultParams()
			if got := p.negotiate(c.key, c.offer, discovery); got != want {
				t.Errorf("%s=%s (discovery %v): %q, want %q", c.key, c.offer, discovery, got, want)
			}
		}
	}
	p := defaultParams()
	p.negotiate("MaxBurstLength", "512", false)
	if p.settle(); p.firstBurst != 512 {
		t.Errorf("FirstBurstLength %d beyond MaxBurstLength", p.firstBurst)
	}
}
