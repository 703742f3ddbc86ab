package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/api"
	peer "bootes.dev/internal/initiator"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
)

// servedTarget is wired with its iSCSI target, on loopback.
type servedTarget struct {
	*wired
	addr string
	stop func()
}

// slowHere is from when on a command is a slow one.
const slowHere = 200 * time.Millisecond

func newServed(t *testing.T) *servedTarget {
	t.Helper()
	s := &servedTarget{wired: newWired(t)}
	s.serve()
	return s
}

// serve starts the target; stop ends it with all its sessions.
func (s *servedTarget) serve() {
	s.t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	s.ok(err)
	s.addr = l.Addr().String()
	target := s.targets.NewServer(iscsi.Options{RefusalDelay: time.Millisecond, Log: s.log, LogoutTime: time.Millisecond, SlowIO: slowHere})
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- target.Serve(ctx, l) }()
	s.stop = func() {
		end()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
		ended <- nil
	}
	s.t.Cleanup(func() { s.stop() })
}

// guest is a boot of a machine that has logged in.
type guest struct {
	*peer.Session
	s    *servedTarget
	boot inventory.Boot
}

// run boots a machine, from its disk if it has one.
func (s *servedTarget) run(machine string) *guest {
	s.t.Helper()
	ctx := s.t.Context()
	b, _, err := s.inv.OpenBoot(ctx, machine)
	s.ok(err)
	m, err := s.inv.Machine(ctx, machine)
	s.ok(err)
	v, err := s.storage.CreateVolume(ctx, machine, m.Image, inventory.Persistent, "")
	s.ok(err)
	b, err = s.inv.SetBoot(ctx, b.ID, func(b *inventory.Boot) { b.Volume = v.ID })
	s.ok(err)
	return s.login(b, 1)
}

// login logs a boot in, by an initiator port that is the same each time.
func (s *servedTarget) login(b inventory.Boot, isid byte) *guest {
	s.t.Helper()
	sess, err := peer.Dial(s.t.Context(), s.addr, peer.Options{
		Initiator: s.cfg.IQNPrefix + ":init:" + b.Machine, Target: s.boot.Target(b.Machine), User: b.User, Secret: b.Secret,
		ISID: [6]byte{0x80, 0, 0, 0, 0, isid},
	})
	s.ok(err)
	s.t.Cleanup(func() { sess.Close() })
	return &guest{sess, s, b}
}

func (g *guest) disk(lun uint8) *peer.Disk {
	g.s.t.Helper()
	d, err := g.Disk(g.s.t.Context(), lun)
	g.s.ok(err)
	return d
}

// absent fails unless there is no such unit.
func (g *guest) absent(lun uint8) {
	g.s.t.Helper()
	_, err := g.Disk(g.s.t.Context(), lun)
	var status *peer.StatusError
	if !errors.As(err, &status) {
		g.s.t.Errorf("LUN %d: %v", lun, err)
	}
}

// news is the code of the unit attention that a unit tells next, 0 for none.
func (g *guest) news(lun uint8) int {
	g.s.t.Helper()
	r, err := g.Do(g.s.t.Context(), lun, []byte{5: 0}, nil, nil)
	g.s.ok(err)
	if b := r.Sense(); len(b) > 13 && b[2]&0xf == 6 {
		return int(b[12])<<8 | int(b[13])
	}
	return 0
}

// reserve sends PERSISTENT RESERVE OUT.
func (g *guest) reserve(lun, action, kind byte, key, actionKey uint64, flags byte) error {
	g.s.t.Helper()
	p := make([]byte, 24)
	for i := range 8 {
		p[i], p[8+i] = byte(key>>(56-8*i)), byte(actionKey>>(56-8*i))
	}
	p[20] = flags
	for {
		r, err := g.Do(g.s.t.Context(), lun, []byte{0x5f, action, kind, 8: 24, 9: 0}, p, nil)
		g.s.ok(err)
		if b := r.Sense(); len(b) > 2 && b[2]&0xf == 6 {
			continue
		}
		return r.Err()
	}
}

func (s *servedTarget) image(ref string, cdrom bool, content []byte) {
	s.t.Helper()
	_, err := s.Import(s.t.Context(), s.file(content), api.ImportRequest{Ref: ref, Source: "x", CDROM: cdrom}, nil)
	s.ok(err)
}

func (s *servedTarget) add(machine string, n int) {
	s.t.Helper()
	_, err := s.AddMachine(s.t.Context(), api.NewMachine{Name: machine, MACs: []string{fmt.Sprintf("52:54:00:00:00:%02x", n)}, Image: "debian:12"})
	s.ok(err)
}

func (s *servedTarget) create(n api.NewVolume) {
	s.t.Helper()
	n.Size = 1 << 20
	_, err := s.CreateVolume(s.t.Context(), n)
	s.ok(err)
}

func (s *servedTarget) attach(machine string, r api.AttachRequest) api.Attached {
	s.t.Helper()
	a, err := s.Attach(s.t.Context(), machine, r)
	s.ok(err)
	return a
}

// told is what the timelines of a machine say.
func (s *servedTarget) told(machine string) (text string) {
	for _, b := range s.rec.Boots(machine) {
		for _, e := range b.Events {
			text += e.Text + "\n"
		}
	}
	return text
}

// refuses fails unless err says all of want.
func refuses(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}
