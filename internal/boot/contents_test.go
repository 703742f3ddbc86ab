package boot

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/diskcheck"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

var noKernel = diagnose.Finding{Name: "kernel-missing", Stops: diagnose.Load, Sure: true, Text: "the kernel p3:/vmlinuz is not there", Remedy: "install it again"}

// looking lets h look into disks, where found is found.
func (h *house) looking(found ...diagnose.Finding) (looks *atomic.Int32, last *atomic.Pointer[diskcheck.Machine]) {
	looks, last = new(atomic.Int32), new(atomic.Pointer[diskcheck.Machine])
	h.Contents = func(_ context.Context, volume, image string, m diskcheck.Machine) (diagnose.Contents, error) {
		if !strings.HasPrefix(volume, "pc") || image != "debian:12" {
			h.t.Errorf("looks into %q of %q", volume, image)
		}
		looks.Add(1)
		last.Store(&m)
		return diagnose.Contents{Seen: true, Findings: found}, nil
	}
	return looks, last
}

// diagnosed waits for a diagnosis of a machine's newest boot.
func (h *house) diagnosed(machine string) *recorder.Diagnosis {
	h.t.Helper()
	if !eventually(func() bool { return h.Recorder.Boots(machine)[0].Diagnosis != nil }) {
		h.t.Fatalf("no diagnosis: %+v", h.Recorder.Boots(machine)[0])
	}
	return h.Recorder.Boots(machine)[0].Diagnosis
}

func TestLooksIntoTheDisk(t *testing.T) {
	h := newHouse(t)
	if _, err := h.Inventory.Learn(t.Context(), "pc1", inventory.Hardware{NIC: "snponly 8086:100e"}); err != nil {
		t.Fatal(err)
	}
	looks, last := h.looking(noKernel)
	h.reading()
	d := h.diagnosed("pc1")
	if d.Kind != diagnose.NoSystemLogin || len(d.Causes) != 1 || !strings.Contains(d.Causes[0].Text, noKernel.Text) {
		t.Errorf("%+v", d)
	}
	if m := last.Load(); looks.Load() != 1 || !m.UEFI || m.BIOS || m.Card != "8086:100e" || m.Server != server || m.Brief {
		t.Errorf("%d looks, the last by %+v", looks.Load(), m)
	}
}

// TestLooksOnceIntoAnImage: a room that stops together stops at the same image.
func TestLooksOnceIntoAnImage(t *testing.T) {
	h := newHouse(t)
	looks, _ := h.looking(noKernel)
	for range 2 {
		h.discover(mac2, loaders.BIOS, true)
		user, _ := h.script(mac2, addr2)
		ad, err := h.admit(user)
		if err != nil {
			t.Fatal(err)
		}
		h.LoggedIn(ad.Boot, Session{Remote: addr2, Firmware: true})
		h.Reach(ad.Boot, recorder.StageRead, "first read")
		h.diagnosed("pc2")
	}
	if looks.Load() != 1 {
		t.Errorf("%d looks", looks.Load())
	}
	h.later(lookAgain)
	a := h.attempts.current("pc2")
	h.lookInto(t.Context(), a, false)
	if looks.Load() != 2 {
		t.Error("what was found is never looked for again")
	}
}

// TestDoesNotLook: nothing was read from its disk, or there is none.
func TestDoesNotLook(t *testing.T) {
	h := newHouse(t)
	looks, _ := h.looking(noKernel)
	h.discover(mac1, loaders.EFI64, true)
	h.script(mac1, addr1)
	h.stopped("pc1")
	if looks.Load() != 0 {
		t.Error("looks into a disk that was not opened")
	}
}

func TestLookFails(t *testing.T) {
	h := newHouse(t)
	h.Contents = func(context.Context, string, string, diskcheck.Machine) (diagnose.Contents, error) {
		return diagnose.Contents{}, errors.New("no such volume")
	}
	h.reading()
	if d := h.diagnosed("pc1"); d.Kind != diagnose.NoSystemLogin || len(d.Causes) < 2 {
		t.Errorf("%+v", d)
	}
}

func TestLooksAreBounded(t *testing.T) {
	var k diskLooks
	now := time.Now()
	for i := range 2*maxLooks + 1 {
		k.keep(lookKey{layer: strings.Repeat("x", i)}, diagnose.Contents{}, now)
	}
	if len(k.of) > maxLooks {
		t.Errorf("%d looks are kept", len(k.of))
	}
}

func TestPCI(t *testing.T) {
	for nic, want := range map[string]string{"snponly 8086:100e": "8086:100e", "1af4:1000": "1af4:1000", "rtl8168": "", "": ""} {
		if got := pciID(nic); got != want {
			t.Errorf("%q: %q", nic, got)
		}
	}
}

var noHome = diagnose.Finding{Name: diagnose.FindingMount, Stops: diagnose.Run, Text: "line 2 of p3:/etc/fstab mounts UUID=1 on /home, which is not on its disk", Remedy: "take the line out"}

// TestMountsWhatIsNotThere: a system that runs does not stop where anybody could see
// it if it waits for a person in emergency mode.
func TestMountsWhatIsNotThere(t *testing.T) {
	h := newHouse(t)
	looks, last := h.looking(noHome)
	ad := h.reading()
	h.Reach(ad.Boot, recorder.StageRunning, "first write")
	if !eventually(func() bool {
		d := h.Recorder.Boots("pc1")[0].Diagnosis
		return d != nil && d.Kind == diagnose.MountMissing
	}) {
		t.Fatalf("%+v", h.Recorder.Boots("pc1")[0])
	}
	b := h.Recorder.Boots("pc1")[0]
	if b.Outcome != recorder.OutcomeRunning || !strings.Contains(b.Diagnosis.Causes[0].Text, noHome.Text) || !last.Load().Brief {
		t.Errorf("%q, %+v, by %+v", b.Outcome, b.Diagnosis, last.Load())
	}
	if looks.Load() > 2 {
		t.Errorf("%d looks", looks.Load())
	}
}

// TestRunsWithoutInit: an initramfs writes before it finds that it has nothing to start,
// and keeps its session while it waits for a person.
func TestRunsWithoutInit(t *testing.T) {
	h := newHouse(t)
	h.looking(diagnose.Finding{Name: "no-init", Stops: diagnose.Run, Sure: true, Text: "the system's first program, p3:/sbin/init, is not there", Remedy: "install it again"})
	ad := h.reading()
	h.Reach(ad.Boot, recorder.StageRunning, "first write")
	if !eventually(func() bool {
		d := h.Recorder.Boots("pc1")[0].Diagnosis
		return d != nil && d.Kind == diagnose.SystemGone
	}) {
		t.Fatalf("%+v", h.Recorder.Boots("pc1")[0])
	}
	d := h.Recorder.Boots("pc1")[0].Diagnosis
	if len(d.Causes) != 1 || !strings.HasPrefix(d.Summary, "the system's first program, p3:/sbin/init, is not there") {
		t.Errorf("%+v", d)
	}
}

// TestMountsAnotherDisk: what a machine has on disks of its own may be there.
func TestMountsAnotherDisk(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	looks, _ := h.looking(noHome)
	v, err := h.Inventory.AddVolume(t.Context(), inventory.Volume{ID: "data1", Mode: inventory.Data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Inventory.Attach(t.Context(), "pc1", inventory.Attachment{Volume: v.ID, LUN: 2}); err != nil {
		t.Fatal(err)
	}
	ad := h.reading()
	h.Reach(ad.Boot, recorder.StageRunning, "first write")
	if !eventually(func() bool { return looks.Load() == 1 }) {
		t.Fatal("does not look")
	}
	time.Sleep(20 * time.Millisecond)
	if d := h.Recorder.Boots("pc1")[0].Diagnosis; d != nil {
		t.Errorf("%+v", d)
	}
}

// TestLoopIsLookedInto: at its third start, without waiting until it stands still.
func TestLoopIsLookedInto(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	h.Moved = func(string) Moved { return Moved{Reads: 900, Read: 22 << 20} }
	looks, _ := h.looking(diagnose.Finding{Name: "no-driver", Stops: diagnose.Reach, Sure: true, Text: "no driver", Remedy: "put it in"})
	for range 3 {
		ad := h.reading()
		h.Opened(ad.Boot, diagnose.Layout{Seen: true}, nil)
		time.Sleep(10 * time.Millisecond)
		h.later(40 * time.Second)
	}
	if !eventually(func() bool {
		d := h.Recorder.Boots("pc1")[0].Diagnosis
		return d != nil && d.Kind == diagnose.CrashLoop && len(d.Causes) == 1 && strings.Contains(d.Causes[0].Text, "no driver")
	}) {
		t.Errorf("%d looks; %+v", looks.Load(), h.Recorder.Boots("pc1")[0])
	}
	if looks.Load() != 1 {
		t.Errorf("%d looks", looks.Load())
	}
}

// TestSureIsToldEarly: what keeps a machine from booting, whatever it does, is told as
// soon as it is quiet; once a stage is looked.
func TestSureIsToldEarly(t *testing.T) {
	unsure := noKernel
	unsure.Sure = false
	for name, tt := range map[string]struct {
		found diagnose.Finding
		cut   int
		told  bool
	}{
		"sure":         {noKernel, 0, true},
		"not sure":     {unsure, 0, false},
		"its link too": {noKernel, 1 << 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.hush = 50 * time.Millisecond
			h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
			h.Moved = func(string) Moved { return Moved{Reads: 9, Read: 2 << 20, Unacknowledged: tt.cut} }
			looks, _ := h.looking(tt.found)
			h.reading()
			if !eventually(func() bool { return looks.Load() == 1 }) {
				t.Fatal("it is not looked")
			}
			if tt.told {
				if d := h.diagnosed("pc1"); d.Kind != diagnose.NoSystemLogin || !strings.Contains(d.Causes[0].Text, noKernel.Text) {
					t.Errorf("%+v", d)
				}
			}
			time.Sleep(3 * h.hush)
			if b := h.Recorder.Boots("pc1")[0]; looks.Load() != 1 || !tt.told && b.Diagnosis != nil {
				t.Errorf("%d looks, %+v", looks.Load(), b.Diagnosis)
			}
		})
	}
}

// TestBusyIsNotLookedInto: as long as a machine reads, nothing is looked for.
func TestBusyIsNotLookedInto(t *testing.T) {
	h := newHouse(t)
	h.hush = 40 * time.Millisecond
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return 40 * time.Millisecond * looks }
	var n atomic.Uint64
	h.Moved = func(string) Moved { return Moved{Reads: n.Add(1)} }
	looks, _ := h.looking(noKernel)
	h.reading()
	time.Sleep(10 * h.hush)
	if looks.Load() != 0 {
		t.Errorf("%d looks", looks.Load())
	}
}

// sharing lets h look into disks that mount folders of nas, which answers so.
func (h *house) sharing(a diagnose.Answer) *street {
	nas := netip.MustParseAddrPort("10.77.0.9:2049")
	s := &street{serves: map[netip.AddrPort]diagnose.Answer{nas: a}}
	h.Neighbours = s
	h.Contents = func(context.Context, string, string, diskcheck.Machine) (diagnose.Contents, error) {
		return diagnose.Contents{Seen: true, Shares: []diagnose.Share{
			{Line: "line 3 of p3:/etc/fstab", Spec: "10.77.0.9:/home", At: "/home", Server: nas.Addr(), Port: nas.Port(), Waits: true},
			{Line: "line 4 of p3:/etc/fstab", Spec: "box:/srv", Host: "box", At: "/srv", Port: diagnose.PortNFS},
			{Line: "line 5 of p3:/etc/fstab", Spec: "10.77.0.8:/srv", At: "/x", Server: addr2},
		}}, nil
	}
	return s
}

// TestShareIsNotThere: a system runs without the folders of others, and shows nothing
// of it. Of a room that runs at the same time, their server is asked once.
func TestShareIsNotThere(t *testing.T) {
	for a, want := range map[diagnose.Answer]string{
		diagnose.Silent:   "line 3 of p3:/etc/fstab mounts /home from 10.77.0.9:/home, and 10.77.0.9 does not answer this server at tcp/2049",
		diagnose.Refuses:  "at 10.77.0.9 nothing listens on tcp/2049",
		diagnose.Answers:  "",
		diagnose.NotAsked: "",
	} {
		h := newHouse(t)
		h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
		s := h.sharing(a)
		ad := h.reading()
		h.Reach(ad.Boot, recorder.StageRunning, "first write")
		asked := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.asked)
		}
		if !eventually(func() bool { return asked() == 1 }) {
			t.Fatal("nobody asks")
		}
		b := h.Recorder.Boots("pc1")[0]
		if want != "" {
			if d := h.diagnosed("pc1"); d.Kind != diagnose.MountMissing || !strings.Contains(d.Causes[0].Text, want) {
				t.Errorf("%v: %+v", a, d)
			}
		} else if time.Sleep(20 * time.Millisecond); h.Recorder.Boots("pc1")[0].Diagnosis != nil {
			t.Errorf("%v: %+v", a, b.Diagnosis)
		}
		h.lookInto(t.Context(), h.attempts.current("pc1"), true)
		if asked() != 1 {
			t.Errorf("asked %d times", asked())
		}
		h.later(shareCounts)
		if h.lookInto(t.Context(), h.attempts.current("pc1"), true); asked() != 2 {
			t.Error("it is never asked again")
		}
	}
}

// TestShareByName: its server's name is looked up where the machine would; of a DNS
// server that does not answer that is remembered for a while.
func TestShareByName(t *testing.T) {
	dns, box := netip.MustParseAddr("10.77.0.53"), netip.MustParseAddr("10.77.0.7")
	for name, tt := range map[string]struct {
		hosts map[string]netip.Addr
		dead  error
		want  diagnose.Answer
		asked int // after two looks
	}{
		"there":         {map[string]netip.Addr{"box": box}, nil, diagnose.Answers, 2},
		"no such name":  {nil, nil, diagnose.Nameless, 2},
		"no DNS server": {nil, errors.New("time-out"), diagnose.DNSSilent, 1},
	} {
		h := newHouse(t)
		h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
		s := h.sharing(diagnose.Answers)
		s.serves[netip.AddrPortFrom(box, diagnose.PortNFS)] = diagnose.Answers
		s.dns, s.hosts, s.dead = dns, tt.hosts, tt.dead
		ad := h.reading()
		a := h.attempts.current(ad.Boot.Machine)
		c, _ := h.Contents(t.Context(), "", "", diskcheck.Machine{})
		for range 2 {
			got := h.shares(t.Context(), a, c)
			if x := got.Shares[1]; x.Answer != tt.want || x.Told != dns || len(got.Findings) != len(c.Findings)+min(int(tt.want-diagnose.Answers), 1) {
				t.Errorf("%s: %+v, %+v", name, x, got.Findings)
			}
		}
		if len(s.names) != tt.asked || s.names[0] != "box" {
			t.Errorf("%s: asked for %q", name, s.names)
		}
	}
}

// TestSharesInTurn: while another disk's servers are waited for, nobody is asked, and
// that is not kept.
func TestSharesInTurn(t *testing.T) {
	h := newHouse(t)
	h.shareWait = time.Millisecond
	s := h.sharing(diagnose.Silent)
	at := netip.MustParseAddrPort("10.77.0.9:2049")
	h.shared.turn <- struct{}{}
	if a := h.serves(t.Context(), at); a != diagnose.NotAsked || s.asked != nil {
		t.Errorf("%v, asked %v", a, s.asked)
	}
	<-h.shared.turn
	if a := h.serves(t.Context(), at); a != diagnose.Silent {
		t.Errorf("%v", a)
	}
}

// TestSharesBeforeTheSystem: nothing is mounted yet, so nobody is asked.
func TestSharesBeforeTheSystem(t *testing.T) {
	h := newHouse(t)
	s := h.sharing(diagnose.Silent)
	h.reading()
	h.diagnosed("pc1")
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.asked, netip.MustParseAddr("10.77.0.9")) {
		t.Error("it is asked")
	}
}

// TestLooksInTurn: a boot that has stopped does not wait for long until the disks of
// others were looked into.
func TestLooksInTurn(t *testing.T) {
	h := newHouse(t)
	h.lookWait = time.Millisecond
	looks, _ := h.looking(noKernel)
	h.looks.turn <- struct{}{}
	h.reading()
	if d := h.diagnosed("pc1"); d.Kind != diagnose.NoSystemLogin || len(d.Causes) < 2 || looks.Load() != 0 {
		t.Errorf("%d looks; %+v", looks.Load(), d)
	}
	<-h.looks.turn
}

// TestCloseWaitsForLooks: when the service is closed, nobody reads disks any more,
// and what was not seen is not told.
func TestCloseWaitsForLooks(t *testing.T) {
	h := newHouse(t)
	began, ended := make(chan struct{}), false
	h.Contents = func(ctx context.Context, _, _ string, _ diskcheck.Machine) (diagnose.Contents, error) {
		close(began)
		<-ctx.Done()
		ended = true
		return diagnose.Contents{}, context.Cause(ctx)
	}
	h.reading()
	<-began
	h.Close()
	if d := h.Recorder.Boots("pc1")[0].Diagnosis; !ended || d != nil {
		t.Errorf("%v, %+v", ended, d)
	}
}
