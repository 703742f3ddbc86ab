package boot

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskcheck"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// A boot that stops after its disk was opened has its disk looked into, one at a
// time: a room that stops together stops at the same image. That is done early, once
// a stage, when nothing was read for a while: what is sure need not be waited for, and
// a machine that is merely slow has no such disk.

const (
	hush      = 20 * time.Second // without a read, after which a disk is looked into early
	lookAgain = 10 * time.Minute // for how long a look into an image counts
	maxLooks  = 64
	// lookWait is how long a boot that has stopped may wait for its turn: when many
	// machines with disks of their own stop together, the last are told why without.
	lookWait = 30 * time.Second
)

var errTurn = errors.New("the disks of others that stopped are being looked into")

// diskLook is what was found in an image.
type diskLook struct {
	at       time.Time
	contents diagnose.Contents
}

// lookKey is an image, and who boots it.
type lookKey struct {
	layer   string
	machine diskcheck.Machine
}

// diskLooks are into disks.
type diskLooks struct {
	turn chan struct{} // full while one is made
	of   map[lookKey]diskLook
}

func newDiskLooks() diskLooks { return diskLooks{turn: make(chan struct{}, 1)} }

// at returns what a look into an image has found lately.
func (k *diskLooks) at(key lookKey, now time.Time) (diagnose.Contents, bool) {
	l, ok := k.of[key]
	return l.contents, ok && now.Sub(l.at) < lookAgain
}

// keep notes what a look has found. When there are too many, all go.
func (k *diskLooks) keep(key lookKey, c diagnose.Contents, now time.Time) {
	if k.of == nil || len(k.of) >= maxLooks {
		k.of = map[lookKey]diskLook{}
	}
	k.of[key] = diskLook{now, c}
}

// lookInto looks into the disk of a, if it may be that which stops it.
func (s *Service) lookInto(ctx context.Context, a *attempt, brief bool) {
	var d diagnose.Disk
	var layer string
	var runs bool
	key := lookKey{machine: diskcheck.Machine{Brief: brief}}
	s.attempts.with(a, func() {
		d, layer, runs = a.seen.Disk, a.layer, a.stage.After(recorder.StageRead)
		fw := a.firmware
		if fw == "" {
			fw = a.platform
		}
		key.machine.UEFI, key.machine.BIOS, key.machine.Server = fw.UEFI(), fw == loaders.BIOS, a.server
		key.machine.Card, key.machine.Bits32 = pciID(a.hardware.NIC), a.seen.Firmware.NoLongMode
		if !a.stage.After(recorder.StageScript) {
			d.Volume = ""
		}
	})
	if s.Contents == nil || d.Volume == "" || a.stranger() {
		return
	}
	m, err := s.Inventory.Machine(ctx, a.subject)
	if key.machine.Card == "" && err == nil {
		key.machine.Card = pciID(m.Hardware.NIC)
	}
	if m.Mode == inventory.Ephemeral && s.moved(a.id).Written == 0 {
		key.layer = layer
	}
	c, err := s.lookOnce(ctx, key, d)
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, errTurn) && !s.queued.again(s.now(), lookAgain) {
		return
	}
	if err != nil {
		s.Log.Warn("disk of a boot that stopped could not be looked into", "machine", a.subject, "volume", d.Volume, "err", err)
		return
	}
	if runs { // before that, nothing is mounted
		c = s.shares(ctx, a, c)
	}
	s.attempts.with(a, func() { a.seen.Disk.Contents = c })
}

// inside looks into the disk of a boot that has not stopped: of a machine that is in
// a loop, and of a system that begins to run, which may wait for what its disk does
// not have. That look is brief but for a system that reads nothing.
func (s *Service) inside(ctx context.Context, a *attempt, brief bool) {
	runs := false
	s.attempts.with(a, func() { runs = a.stage == recorder.StageRunning })
	if s.lookInto(s.open, a, runs && brief); s.open.Err() != nil {
		return
	}
	c := s.caseOf(ctx, a, time.Now())
	if !runs {
		if c.Disk.Contents.Seen {
			s.loops(ctx, a)
		}
		return
	}
	m, err := s.Inventory.Machine(ctx, a.subject)
	if err != nil {
		return
	}
	if len(m.Disks) > 0 {
		c.Disk.Contents.Findings = slices.DeleteFunc(slices.Clone(c.Disk.Contents.Findings), func(f diagnose.Finding) bool { return f.Name != diagnose.FindingShare })
	}
	c.Barred, c.Mounts = c.Disk.Contents.Bars(), c.Disk.Contents.Mounts()
	if !c.Barred && !c.Mounts {
		return
	}
	d := diagnose.Diagnose(c)
	s.say(a, recorder.Event{Level: recorder.Warn, Text: diagnose.Sentence(d), Diagnosis: &d})
}

// hushes reports whether w's disk may be looked into early at its stage. The caller
// holds the attempts' mu.
func (s *Service) hushes(w *watch) bool {
	return s.Contents != nil && w.told == "" && w.early != w.stage && (w.stage == recorder.StageRead || w.stage == recorder.StageKernel)
}

// hushed reports whether it is time for that, once. The caller holds the attempts' mu.
func (s *Service) hushed(w *watch, now time.Time) bool {
	if !s.hushes(w) || now.Sub(w.life) < s.hush {
		return false
	}
	w.early = w.stage
	return true
}

// early looks into the disk of a, and tells what is sure.
func (s *Service) early(ctx context.Context, a *attempt, now time.Time) {
	if s.lookInto(s.open, a, false); s.open.Err() != nil {
		return
	}
	if diagnose.Certain(s.caseOf(ctx, a, now)) {
		s.ask(s.open, a)
		s.stopped(ctx, a, now)
	}
}

// lookOnce looks into a disk, unless it is an image as it is that was looked into
// lately.
func (s *Service) lookOnce(ctx context.Context, key lookKey, d diagnose.Disk) (diagnose.Contents, error) {
	select {
	case s.looks.turn <- struct{}{}:
		defer func() { <-s.looks.turn }()
	case <-time.After(s.lookWait):
		return diagnose.Contents{}, errTurn
	case <-ctx.Done():
		return diagnose.Contents{}, context.Cause(ctx)
	}
	if c, ok := s.looks.at(key, s.now()); ok && key.layer != "" {
		return c, nil
	}
	c, err := s.Contents(ctx, d.Volume, d.Image, key.machine)
	if err == nil && key.layer != "" {
		s.looks.keep(key, c, s.now())
	}
	return c, err
}

var pciPattern = regexp.MustCompile(`[0-9a-f]{4}:[0-9a-f]{4}$`)

// pciID is the PCI vendor and device of a card that nic has named.
func pciID(nic string) string { return pciPattern.FindString(nic) }
