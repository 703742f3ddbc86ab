package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	peer "bootes.dev/internal/initiator"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/needs"
	"bootes.dev/internal/targets"
)

// hba is firmware that logs in by static credentials, and has the server prove
// itself.
func (s *servedTarget) hba(c api.Credentials) (*peer.Session, error) {
	sess, err := peer.Dial(s.t.Context(), s.addr, peer.Options{
		Initiator: c.Initiator, Target: c.Target, User: c.User, Secret: c.Secret,
		ReverseUser: c.ReverseUser, ReverseSecret: c.ReverseSecret, ISID: [6]byte{0, 0x0e, 0x1e, 0, 0, 1},
	})
	if err == nil {
		s.t.Cleanup(func() { sess.Close() })
	}
	return sess, err
}

func (s *servedTarget) refusedHBA(c api.Credentials, want iscsi.Status) {
	s.t.Helper()
	_, err := s.hba(c)
	var refused *peer.LoginError
	if !errors.As(err, &refused) || refused.Status != uint16(want) {
		s.t.Errorf("login by static credentials: %v, want %s", err, want)
	}
}

// said waits until pc01's timeline says a phrase.
func (s *servedTarget) said(phrase string) {
	s.t.Helper()
	eventually(s.t, phrase, func() bool {
		for _, b := range s.rec.Boots("pc01") {
			for _, e := range b.Events {
				if strings.Contains(e.Text, phrase) {
					return true
				}
			}
		}
		return false
	})
}

// TestStaticCredentials goes through the life of an HBA's credentials beside the
// machine's boots.
func TestStaticCredentials(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	s.cfg.Interfaces = []config.Interface{{Name: "lo"}, {Name: "gone0", Portal: netip.MustParseAddr("10.2.0.1")}}
	_, err := s.Import(ctx, s.file(make([]byte, 1<<20)), api.ImportRequest{Ref: "debian:12", Source: "a.raw"}, nil)
	s.ok(err)
	_, err = s.AddMachine(ctx, api.NewMachine{Name: "pc01", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12"})
	s.ok(err)
	_, err = s.Credentials(ctx, "pc01")
	if wantKind(t, err, api.NotFound); !strings.HasSuffix(err.Error(), `machine "pc01" has no static credentials: `+"`bootes machine credentials pc01 --new` makes them") {
		t.Error(err)
	}
	c, err := s.NewCredentials(ctx, "pc01", api.CredentialsRequest{Initiator: "iqn.2000-04.com.example:HBA"})
	s.ok(err)
	target := s.boot.Target("pc01")
	if c.Initiator != "iqn.2000-04.com.example:hba" || c.Target != target || c.User != "pc01-static" || c.ReverseUser != "target-of-pc01-static" ||
		len(c.Secret) != 16 || len(c.ReverseSecret) != 16 || c.Secret == c.ReverseSecret ||
		strings.Join(c.Portals, " ") != "127.0.0.1:3260 10.2.0.1:3260" ||
		strings.Join(c.RootPaths, " ") != "iscsi:127.0.0.1:::0:"+target+" iscsi:10.2.0.1:::0:"+target {
		t.Errorf("%+v", c)
	}

	// It has the disk that the machine's boots have, and writes through.
	sess, err := s.hba(c)
	s.ok(err)
	disk, err := sess.Disk(ctx, targets.BootDisk)
	s.ok(err)
	s.ok(disk.WriteAt(ctx, []byte(strings.Repeat("hba.", 128)), 0))
	v, err := s.inv.FindVolume(ctx, "pc01", "debian:12", "persistent", "")
	s.ok(err)
	shown, err := s.Volume(ctx, v.ID)
	s.ok(err)
	if !shown.WriteThrough || !shown.Open {
		t.Errorf("its volume: %+v", shown)
	}
	s.said("static credentials opened the disk, from 127.0.0.1, by mutual CHAP")
	now, err := s.Credentials(ctx, "pc01")
	s.ok(err)
	if now.Held == nil || now.Secret != "" || now.ReverseSecret != "" || now.User != c.User {
		t.Errorf("shown later: %+v", now)
	}
	found, err := peer.Discover(ctx, s.addr, peer.Options{Initiator: c.Initiator, User: c.User, Secret: c.Secret, Discovery: true})
	s.ok(err)
	if len(found) != 1 || found[0].Name != target {
		t.Errorf("discovery: %+v", found)
	}

	// A boot takes the disk, and keeps it while its system lives.
	pc := s.run("pc01")
	head := make([]byte, 4)
	s.ok(pc.disk(targets.BootDisk).ReadAt(ctx, make([]byte, 512), 0))
	if err := disk.ReadAt(ctx, make([]byte, 512), 0); err == nil {
		t.Errorf("both have the disk: %q", head)
	}
	s.refusedHBA(c, iscsi.StatusForbidden)
	s.said("refused: the system that boot pc01-1 has started runs from the disk since ")
	s.said("; boot pc01-1 holds the disk since ")

	// Switched off, it does not come back to what may be another disk then.
	s.ok(pc.Close())
	eventually(t, "the boot's session ends", func() bool { return len(s.targets.Sessions()) == 0 })
	sess, err = s.hba(c)
	s.ok(err)
	var over *peer.LoginError
	_, err = peer.Dial(ctx, s.addr, peer.Options{Initiator: s.boot.InitiatorName("pc01"), Target: target, User: pc.boot.User, Secret: pc.boot.Secret})
	if !errors.As(err, &over) || over.Status != uint16(iscsi.StatusAuthFailure) {
		t.Errorf("the boot of before: %v", err)
	}
	s.said("; static credentials hold the disk since ")

	// Made anew, and revoked, they end with their sessions.
	again, err := s.NewCredentials(ctx, "pc01", api.CredentialsRequest{})
	s.ok(err)
	if again.Initiator != s.boot.InitiatorName("pc01") || again.Secret == c.Secret {
		t.Errorf("%+v", again)
	}
	if _, err := sess.Disk(ctx, targets.BootDisk); err == nil {
		t.Error("a session of the former credentials goes on")
	}
	s.refusedHBA(c, iscsi.StatusAuthFailure)
	sess, err = s.hba(again)
	s.ok(err)
	s.ok(s.RevokeCredentials(ctx, "pc01"))
	if _, err := sess.Disk(ctx, targets.BootDisk); err == nil {
		t.Error("a session of revoked credentials goes on")
	}
	s.refusedHBA(again, iscsi.StatusAuthFailure)
	err = s.RevokeCredentials(ctx, "pc01")
	if wantKind(t, err, api.NotFound); !strings.HasSuffix(err.Error(), `machine "pc01" has no static credentials`) {
		t.Error(err)
	}
}

// An ephemeral machine has no disk that a login by itself could mean.
func TestStaticCredentialsOfAnEphemeralMachine(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	_, err := s.Import(ctx, s.file(make([]byte, 1<<20)), api.ImportRequest{Ref: "debian:12", Source: "a.raw"}, nil)
	s.ok(err)
	_, err = s.AddMachine(ctx, api.NewMachine{Name: "pc01", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12"})
	s.ok(err)
	c, err := s.NewCredentials(ctx, "pc01", api.CredentialsRequest{})
	s.ok(err)
	mode := api.Ephemeral
	_, err = s.SetMachine(ctx, "pc01", api.MachineChange{Mode: &mode})
	s.ok(err)
	s.refusedHBA(c, iscsi.StatusForbidden)
	s.said("pc01 is ephemeral, and static credentials are for a disk that is kept: `bootes machine set pc01 --persistent` makes it so")
	_, err = s.NewCredentials(ctx, "pc01", api.CredentialsRequest{})
	const want = `machine "pc01" is ephemeral: static credentials are for a disk that is kept; make pc01 persistent first with ` + "`bootes machine set pc01 --persistent`"
	if wantKind(t, err, api.Conflict); !strings.HasSuffix(err.Error(), want) {
		t.Error(err)
	}
	_, err = s.NewCredentials(ctx, "pc02", api.CredentialsRequest{})
	wantKind(t, err, api.NotFound)
	_, err = s.Credentials(ctx, "pc02")
	wantKind(t, err, api.NotFound)
	wantKind(t, s.RevokeCredentials(ctx, "pc02"), api.NotFound)
}

// What is attached to a machine with static credentials writes through as its own
// disk does, and its timeline tells of it.
func TestStaticCredentialsWithData(t *testing.T) {
	s := newServed(t)
	ctx := t.Context()
	_, err := s.Import(ctx, s.file(make([]byte, 1<<20)), api.ImportRequest{Ref: "debian:12", Source: "a.raw"}, nil)
	s.ok(err)
	_, err = s.AddMachine(ctx, api.NewMachine{Name: "pc01", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12"})
	s.ok(err)
	for _, name := range []string{"early", "late"} {
		_, err = s.CreateVolume(ctx, api.NewVolume{Name: name, Size: 1 << 20})
		s.ok(err)
	}
	_, err = s.Attach(ctx, "pc01", api.AttachRequest{Volume: "early"})
	s.ok(err)
	c, err := s.NewCredentials(ctx, "pc01", api.CredentialsRequest{})
	s.ok(err)
	sess, err := s.hba(c)
	s.ok(err)
	a, err := s.Attach(ctx, "pc01", api.AttachRequest{Volume: "late"})
	s.ok(err)
	if !a.Live {
		t.Errorf("%+v", a)
	}
	for lun, name := range map[uint8]string{2: "early", a.LUN: "late"} {
		_, err := sess.Do(ctx, lun, []byte{5: 0}, nil, nil) // takes the unit attention
		s.ok(err)
		_, err = sess.Disk(ctx, lun)
		s.ok(err)
		v, err := s.Volume(ctx, name)
		s.ok(err)
		if !v.WriteThrough || !v.Open {
			t.Errorf("%s: %+v", name, v)
		}
	}
	s.said("late, was given")
}

// libiscsi, the initiator of QEMU, takes them as they are shown, and leaves a
// server that has not got the reverse secret.
func TestStaticCredentialsOfLibiscsi(t *testing.T) {
	needs.Program(t, "iscsi-inq", "libiscsi-bin")
	s := newServed(t)
	ctx := t.Context()
	_, err := s.Import(ctx, s.file(make([]byte, 1<<20)), api.ImportRequest{Ref: "debian:12", Source: "a.raw"}, nil)
	s.ok(err)
	_, err = s.AddMachine(ctx, api.NewMachine{Name: "pc01", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12"})
	s.ok(err)
	c, err := s.NewCredentials(ctx, "pc01", api.CredentialsRequest{})
	s.ok(err)
	inquire := func(reverse string) string {
		url := fmt.Sprintf("iscsi://%s%%%s@%s/%s/%d?target_user=%s&target_password=%s", c.User, c.Secret, s.addr, c.Target, c.LUN, c.ReverseUser, reverse)
		out, _ := exec.Command("iscsi-inq", "-i", c.Initiator, url).CombinedOutput()
		return string(out)
	}
	if out := inquire(c.ReverseSecret); !strings.Contains(out, "Vendor:BOOTES") {
		t.Errorf("right secrets: %s", out)
	}
	s.said("static credentials opened the disk, from 127.0.0.1, by mutual CHAP")
	if out := inquire("another-one-1234"); strings.Contains(out, "Vendor") {
		t.Errorf("the server's proof is not looked at: %s", out)
	}
	s.said("initiator left when the target had proved itself by mutual CHAP")
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("not within 5 s: %s", what)
}
