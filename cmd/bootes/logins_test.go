package main

import (
	"errors"
	"io"
	"testing"
	"time"

	"bootes.dev/internal/api"
	peer "bootes.dev/internal/initiator"
	"bootes.dev/internal/scsi"
	"bootes.dev/internal/targets"
)

// slowLogin begins a login that stands still while it opens data2, until let go,
// when it has read already what the machine has and opened what comes before.
func (s *servedTarget) slowLogin(login func() (*peer.Session, error)) (done func() *peer.Session) {
	s.t.Helper()
	blocked, release := make(chan bool), make(chan bool)
	go func() {
		_ = s.shelf.With("data2", func(*scsi.Disk) error {
			close(blocked)
			<-release
			return nil
		})
	}()
	<-blocked
	in := make(chan *peer.Session)
	go func() {
		sess, err := login()
		if err != nil {
			s.t.Error(err)
		}
		in <- sess
	}()
	eventually(s.t, "the login waits for data2", func() bool { return s.shelf.Claims("data2") == 2 })
	return func() *peer.Session {
		close(release)
		return <-in
	}
}

// newDisksOfPC01 has pc01 with data1 and data2, and data3 that nobody has.
func newDisksOfPC01(t *testing.T) *servedTarget {
	t.Helper()
	s := newServed(t)
	s.image("debian:12", false, make([]byte, 1<<20))
	s.add("pc01", 1)
	for _, name := range []string{"data1", "data2", "data3"} {
		s.create(api.NewVolume{Name: name})
	}
	s.attach("pc01", api.AttachRequest{Volume: "data1"})
	s.attach("pc01", api.AttachRequest{Volume: "data2"})
	return s
}

func (s *servedTarget) slowRun() (done func() *guest) {
	var g *guest
	wait := s.slowLogin(func() (*peer.Session, error) {
		g = s.run("pc01")
		return g.Session, nil
	})
	return func() *guest { wait(); return g }
}

// What is changed while a machine logs in is changed for the machine, too.
func TestAttachDuringLogin(t *testing.T) {
	s := newDisksOfPC01(t)
	type answer struct {
		what string
		api.Attached
		err error
	}
	answers := make(chan answer, 2)
	done := s.slowRun()
	go func() {
		a, err := s.Attach(s.t.Context(), "pc01", api.AttachRequest{Volume: "data3", LUN: 9})
		answers <- answer{"attach", a, err}
		a, err = s.Detach(s.t.Context(), "pc01", 2, true)
		answers <- answer{"detach", a, err}
	}()
	time.Sleep(100 * time.Millisecond)
	g := done()
	for range 2 {
		if a := <-answers; a.err != nil || !a.Live {
			t.Errorf("%s: %+v, %v", a.what, a.Attached, a.err)
		}
	}
	for g.news(0) != 0 || g.news(9) != 0 {
	}
	g.disk(9)
	g.absent(2)
	if v, err := s.Volume(t.Context(), "data1"); err != nil || v.Open {
		t.Errorf("data1 is open: %t, %v", v.Open, err)
	}
}

// A disk that is still being logged in to is not taken away without force.
func TestDetachDuringLogin(t *testing.T) {
	s := newDisksOfPC01(t)
	done := s.slowRun()
	refused := make(chan error, 1)
	go func() {
		_, err := s.Detach(s.t.Context(), "pc01", 2, false)
		refused <- err
	}()
	time.Sleep(100 * time.Millisecond)
	done().disk(2)
	refuses(t, <-refused, `volume "data1" is in use by machine pc01, which runs and can write to it`)
}

// What was detached and is not closed yet cannot be given again: nobody is told
// that it was.
func TestAttachAgainBeforeClosed(t *testing.T) {
	s := newDisksOfPC01(t)
	s.run("pc01")
	_, release, err := s.shelf.Take("data3", "pc01", false, func() (io.Closer, *scsi.Disk, error) {
		vol, err := s.storage.OpenVolume(t.Context(), "data3")
		return vol, scsi.NewDisk(vol, scsi.Identity{}), err
	})
	s.ok(err)
	_, err = s.Attach(t.Context(), "pc01", api.AttachRequest{Volume: "data3"})
	refuses(t, err, `give volume data3 to machine "pc01": volume "data3" is still open on pc01: its last writes have not returned`)
	m, err := s.Machine(t.Context(), "pc01")
	s.ok(err)
	if len(m.Disks) != 2 {
		t.Errorf("%+v", m.Disks)
	}
	s.ok(release())
	if a := s.attach("pc01", api.AttachRequest{Volume: "data3"}); !a.Live {
		t.Errorf("%+v", a)
	}
}

// Static credentials that end while somebody logs in by them are of no use to
// him.
func TestCredentialsEndDuringLogin(t *testing.T) {
	for name, end := range map[string]func(*servedTarget) error{
		"revoked": func(s *servedTarget) error { return s.RevokeCredentials(s.t.Context(), "pc01") },
		"made anew": func(s *servedTarget) error {
			_, err := s.NewCredentials(s.t.Context(), "pc01", api.CredentialsRequest{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newDisksOfPC01(t)
			c, err := s.NewCredentials(t.Context(), "pc01", api.CredentialsRequest{})
			s.ok(err)
			done := s.slowLogin(func() (*peer.Session, error) {
				sess, err := s.hba(c)
				if errors.Is(err, io.EOF) { // the session ended before its login was answered
					err = nil
				}
				return sess, err
			})
			ended := make(chan error, 1)
			go func() { ended <- end(s) }()
			time.Sleep(100 * time.Millisecond)
			sess := done()
			s.ok(<-ended)
			if list := s.targets.Sessions(); len(list) != 0 {
				t.Errorf("%+v", list)
			}
			if sess == nil {
				return
			}
			if d, err := sess.Disk(t.Context(), targets.BootDisk); err == nil {
				if err = d.ReadAt(t.Context(), make([]byte, 512), 0); err == nil {
					t.Error("the disk is read")
				}
			}
		})
	}
}

// A machine whose system has logged in by static credentials is given no other
// disk before it is off.
func TestNoOtherImageUnderStaticCredentials(t *testing.T) {
	s := newDisksOfPC01(t)
	ctx := t.Context()
	s.image("debian:13", false, make([]byte, 1<<20))
	c, err := s.NewCredentials(ctx, "pc01", api.CredentialsRequest{})
	s.ok(err)
	sess, err := s.hba(c)
	s.ok(err)
	other, mode := "debian:13", api.Ephemeral
	for _, ch := range []api.MachineChange{{Image: &other}, {Mode: &mode}} {
		_, err := s.SetMachine(ctx, "pc01", ch)
		wantKind(t, err, api.Conflict)
		refuses(t, err, `give machine "pc01" another disk, which static credentials would find in place of theirs: volume "pc01-`)
	}
	limit := int64(1 << 30)
	_, err = s.SetMachine(ctx, "pc01", api.MachineChange{Limit: &limit})
	s.ok(err)
	s.ok(sess.Close())
	eventually(t, "its session ends", func() bool { return len(s.targets.Sessions()) == 0 })
	_, err = s.SetMachine(ctx, "pc01", api.MachineChange{Image: &other})
	s.ok(err)
}

// A limit of speed counts for whoever logs in while it is set, too.
func TestLimitDuringLogin(t *testing.T) {
	s := newDisksOfPC01(t)
	done := s.slowRun()
	set := make(chan error, 1)
	own, err := s.inv.FindVolume(t.Context(), "pc01", "debian:12", "persistent", "")
	s.ok(err)
	volumes := []string{"data1", own.ID}
	go func() {
		iops, errs := int64(20), []error{}
		for _, v := range volumes {
			_, err := s.SetVolume(s.t.Context(), v, api.VolumeChange{IOPS: &iops})
			errs = append(errs, err)
		}
		set <- errors.Join(errs...)
	}()
	time.Sleep(100 * time.Millisecond)
	done()
	s.ok(<-set)
	for _, v := range volumes {
		if l := s.targets.Latencies()[v].Limits; l.IOPS != 20 {
			t.Errorf("%s: %+v", v, l)
		}
	}
}
