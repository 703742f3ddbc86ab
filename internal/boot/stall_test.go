package boot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bootes.dev/internal/block"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

var rival = netip.MustParseAddr("10.77.0.2")

// client is pc1 or pc2 as DHCP shows it.
func client(mac string, fw loaders.Firmware, ipxe bool) Client {
	return Client{MAC: parseMAC(mac), Interface: "br0", Server: server, Firmware: fw, IPXE: ipxe, Discover: true}
}

// TestDiagnoses takes a machine to each place where it can stop, by what the
// servers report, and looks at what its boot is said to have stopped of.
func TestDiagnoses(t *testing.T) {
	asks := func(h *house, ipxe bool) {
		h.discover(mac1, loaders.EFI64, ipxe)
		h.Exchanged(client(mac1, loaders.EFI64, ipxe), "pc1", Exchange{Offer: true, Addr: addr1, File: "what it says"})
	}
	leased := func(h *house, ipxe bool) {
		asks(h, ipxe)
		h.Exchanged(client(mac1, loaders.EFI64, ipxe), "pc1", Exchange{ACK: true, Addr: addr1, File: "what it says"})
	}
	inIPXE := func(h *house) {
		leased(h, false)
		h.fetches("snponly.efi")
		leased(h, true)
	}
	opened := func(h *house) *Admitted {
		inIPXE(h)
		user, _ := h.script(mac1, addr1)
		ad, err := h.admit(user)
		if err != nil {
			h.t.Fatal(err)
		}
		h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
		return ad
	}
	fails := func(h *house, f Fetched) {
		h.File(h.t.Context(), f.Name, addr1, server)
		f.Proto, f.Remote = cmp.Or(f.Proto, "TFTP"), addr1
		h.LoaderFetched(h.t.Context(), f)
	}
	for _, tt := range []struct {
		kind  string
		stage recorder.Stage
		fails func(h *house)
	}{
		{diagnose.NoAddress, recorder.StageFirmware, func(h *house) { asks(h, false) }},
		{diagnose.NoLoader, recorder.StageFirmware, func(h *house) {
			h.discover(mac1, loaders.EFIARM64, false)
			h.Exchanged(client(mac1, loaders.EFIARM64, false), "pc1", Exchange{Offer: true, Addr: addr1, NoBoot: "no loader for its firmware (UEFI arm64): put it there"})
		}},
		{diagnose.PoolExhausted, recorder.StageFirmware, func(h *house) {
			h.discover(mac1, loaders.EFI64, false)
			h.Exchanged(client(mac1, loaders.EFI64, false), "pc1", Exchange{Refused: "no address left in the pool", Full: true, Pool: Pool{Network: netip.MustParsePrefix("10.77.0.0/24"), Range: "10.77.0.100", Addresses: 1}})
		}},
		{diagnose.OfferIgnored, recorder.StageFirmware, func(h *house) {
			asks(h, false)
			h.Exchanged(client(mac1, loaders.EFI64, false), "pc1", Exchange{Addr: addr1, From: rival})
		}},
		{diagnose.LoaderNotFetched, recorder.StageFirmware, func(h *house) { leased(h, false) }},
		{diagnose.LoaderNotFetched, recorder.StageFirmware, func(h *house) {
			h.Exchanged(client(mac1, loaders.EFI64, false), "pc1", Exchange{Addr: addr1, From: rival}) // of nobody yet
			asks(h, false)
			h.Exchanged(client(mac1, loaders.EFI64, false), "pc1", Exchange{Addr: addr1, From: rival})
			h.Exchanged(client(mac1, loaders.EFI64, false), "pc1", Exchange{ACK: true, Proxied: true, File: "snponly.efi"})
		}},
		{diagnose.WrongBootFile, recorder.StageFirmware, func(h *house) {
			leased(h, false)
			fails(h, Fetched{Name: "pxelinux.0", Err: fs.ErrNotExist})
		}},
		{diagnose.TFTPTimeout, recorder.StageFirmware, func(h *house) {
			leased(h, false)
			fails(h, Fetched{Name: "snponly.efi", Err: errors.New("client stopped answering"), Block: 1468, Answered: true})
		}},
		{diagnose.TFTPRestarted, recorder.StageFirmware, func(h *house) {
			leased(h, false)
			for range 2 {
				fails(h, Fetched{Name: "snponly.efi", Err: errors.New("client began anew"), Restarted: true})
			}
		}},
		{diagnose.HTTPTimeout, recorder.StageFirmware, func(h *house) {
			leased(h, false)
			fails(h, Fetched{Name: "snponly.efi", Proto: "HTTP", Err: errors.New("client closed the connection"), Bytes: 50152, Answered: true})
		}},
		{diagnose.LoaderSilent, recorder.StageLoader, func(h *house) { leased(h, false); h.fetches("snponly.efi") }},
		{diagnose.LoaderLoop, recorder.StageLoader, func(h *house) {
			for range 5 {
				leased(h, false)
				h.fetches("snponly.efi")
			}
			h.discover(mac1, loaders.EFI64, false)
		}},
		{diagnose.WrongArchitecture, recorder.StageLoader, func(h *house) { leased(h, false); h.fetches("undionly.kpxe") }},
		{diagnose.IPXENoAddress, recorder.StageIPXE, func(h *house) { asks(h, true) }},
		{diagnose.ScriptNotFetched, recorder.StageIPXE, func(h *house) { leased(h, true) }},
		{diagnose.ScriptRefused, recorder.StageIPXE, func(h *house) {
			leased(h, true)
			if _, err := h.Script(h.t.Context(), Asker{MAC: parseMAC(mac1), Remote: addr2, Local: server}); err == nil {
				h.t.Error("a script for another's address")
			}
		}},
		{diagnose.NoLogin, recorder.StageScript, func(h *house) { inIPXE(h); h.script(mac1, addr1) }},
		{diagnose.LoginRefused, recorder.StageScript, func(h *house) {
			inIPXE(h)
			user, _ := h.script(mac1, addr1)
			h.LoginRefused(initiatorOf(user), user, "wrong CHAP secret")
			h.LoginRefused(Initiator{Name: "iqn.x:stranger", Target: prefix + ":pc1", Remote: addr2}, "x", "another's business")
		}},
		{diagnose.NoRead, recorder.StageLogin, func(h *house) { opened(h) }},
		{diagnose.NotBootable, recorder.StageLogin, func(h *house) {
			h.Opened(opened(h).Boot, diagnose.Layout{Seen: true, Blank: true}, nil)
		}},
		{diagnose.NoSystemLogin, recorder.StageRead, func(h *house) { h.Reach(opened(h).Boot, recorder.StageRead, "first read") }},
		{diagnose.SystemGone, recorder.StageKernel, func(h *house) {
			ad := opened(h)
			h.LoggedIn(ad.Boot, Session{Remote: addr1})
			h.SessionEnded(ad.Boot, Session{Remote: addr1}, "connection reset", time.Second)
		}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			h := newHouse(t)
			tt.fails(h)
			b := h.stopped("pc1")
			if b.Diagnosis == nil || b.Diagnosis.Kind != tt.kind || b.Stage != tt.stage {
				t.Fatalf("at %s: %+v", b.Stage, b.Diagnosis)
			}
			want := recorder.OutcomeStalled
			if tt.kind == diagnose.NoLoader {
				want = recorder.OutcomeRefused
			}
			if b.Outcome != want {
				t.Errorf("outcome %q, want %q", b.Outcome, want)
			}
		})
	}
}

// stopped is the newest boot of a subject, once it has an outcome.
func (h *house) stopped(subject string) (b recorder.Boot) {
	h.t.Helper()
	if !eventually(func() bool {
		boots := h.Recorder.Boots(subject)
		if len(boots) == 0 {
			return false
		}
		b = boots[0]
		return b.Outcome != ""
	}) {
		h.t.Fatalf("%s is still under way: %+v", subject, b)
	}
	return b
}

func TestUnknownMachineIsRefused(t *testing.T) {
	h := newHouse(t)
	const mac = "52:54:00:00:00:09"
	h.discover(mac, loaders.EFI64, false)
	h.Exchanged(client(mac, loaders.EFI64, false), "", Exchange{Offer: true, NoBoot: "unknown machine"})
	if b := h.stopped(mac); b.Outcome != recorder.OutcomeRefused || b.Diagnosis.Kind != diagnose.UnknownMachine {
		t.Errorf("%s: %+v", b.Outcome, b.Diagnosis)
	} else if near := b.Diagnosis.Causes[0]; near.Remedy != "bootes machine set pc1 --mac "+mac {
		t.Errorf("that pc1's MAC may be mistyped: %+v", near)
	}
	h.discover(mac1, loaders.EFI64, false) // it is there: its MAC is right
	if d := h.near(t.Context(), mac); d.Machine != "pc2" {
		t.Errorf("near %s is %+v", mac, d)
	}
}

// TestRepeatingIsNoProgress: a ROM that asks again and again is stopped, too.
func TestRepeatingIsNoProgress(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return 300 * time.Millisecond }
	for end := time.Now().Add(5 * time.Second); len(h.Recorder.Boots("pc1")) == 0 || h.Recorder.Boots("pc1")[0].Outcome == ""; {
		if time.Now().After(end) {
			t.Fatal("it may ask for ever")
		}
		h.DHCP(t.Context(), client(mac1, loaders.EFI64, false))
		time.Sleep(10 * time.Millisecond)
	}
}

// TestGoneInTheMiddleOfItsLoader: as long as a file is being sent, its transfer's
// end is waited for, and that is filed though the machine's address is nobody's
// any more.
func TestGoneInTheMiddleOfItsLoader(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return 40 * time.Millisecond }
	h.DHCP(t.Context(), client(mac1, loaders.BIOS, false))
	h.Exchanged(client(mac1, loaders.BIOS, false), "pc1", Exchange{ACK: true, Addr: addr1, File: "undionly.kpxe"})
	h.File(t.Context(), "undionly.kpxe", addr1, server)
	h.Locate = func(context.Context, netip.Addr) (net.HardwareAddr, bool) { return nil, false }
	time.Sleep(200 * time.Millisecond)
	if b := h.Recorder.Boots("pc1")[0]; b.Outcome != "" {
		t.Fatalf("stopped while its loader is being sent: %+v", b.Diagnosis)
	}
	h.LoaderFetched(t.Context(), Fetched{Name: "undionly.kpxe", Proto: "TFTP", Remote: addr1, Bytes: 27208, Answered: true, Err: errors.New("client stopped answering")})
	if b := h.stopped("pc1"); b.Diagnosis.Kind != diagnose.TFTPTimeout || b.Diagnosis.Causes[0].Text != "it was switched off or restarted meanwhile" {
		t.Errorf("%+v", b.Diagnosis)
	}
}

// TestReadsAreSignsOfLife: nobody reports reads, and a boot that reads goes on.
func TestReadsAreSignsOfLife(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return 40 * time.Millisecond }
	reads := uint64(0)
	until := time.Now().Add(300 * time.Millisecond)
	h.Moved = func(string) Moved {
		if time.Now().Before(until) {
			reads++
		}
		return Moved{Reads: reads, Firmware: true}
	}
	h.discover(mac1, loaders.EFI64, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
	h.Reach(ad.Boot, recorder.StageRead, "first read")
	if b := h.stopped("pc1"); b.Ended.Before(until) {
		t.Errorf("stopped %s before its last read", until.Sub(b.Ended))
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1})
	if b := h.Recorder.Boots("pc1")[0]; b.Outcome != "" || b.Diagnosis != nil {
		t.Errorf("it went on after all: %q, %+v", b.Outcome, b.Diagnosis)
	}
	if b := h.stopped("pc1"); b.Diagnosis.Kind != diagnose.SystemGone {
		t.Errorf("%+v", b.Diagnosis)
	}
}

func TestHeldMachinesMayWait(t *testing.T) {
	h := newHouse(t)
	h.Unknown = map[string]Unknown{"br0": {Policy: Hold}}
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Second }
	const mac = "52:54:00:00:00:09"
	h.Locate = func(context.Context, netip.Addr) (net.HardwareAddr, bool) { return parseMAC(mac), true }
	h.discover(mac, loaders.EFI64, true)
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, err := h.Script(t.Context(), Asker{MAC: parseMAC(mac), Remote: addr1, Local: server, Facts: url.Values{"facts": {"1"}}}); err != nil {
			t.Fatal(err)
		}
		if b := h.Recorder.Boots(mac)[0]; b.Outcome != "" {
			t.Fatalf("%q, %+v", b.Outcome, b.Diagnosis)
		}
	}
	if b := h.stopped(mac); b.Diagnosis.Kind != diagnose.UnknownMachine {
		t.Errorf("%+v", b.Diagnosis)
	}
}

// TestCrashLoop: what is told at the beginning of the fourth boot names the way
// back to the image that ran.
func TestCrashLoop(t *testing.T) {
	for _, last := range []recorder.Stage{recorder.StageRead, recorder.StageKernel} {
		t.Run(string(last), func(t *testing.T) { crashes(t, last) })
	}
}

func crashes(t *testing.T, last recorder.Stage) {
	h := newHouse(t)
	at := time.Now().Add(-time.Hour)
	boot := func(id, image string, last recorder.Stage) {
		for _, st := range []recorder.Stage{recorder.StageIPXE, recorder.StageScript, last} {
			at = at.Add(time.Minute)
			h.Recorder.Add(recorder.Event{Time: at, Boot: id, Machine: "pc1", Stage: st, Text: "step", Attrs: map[string]string{"image": image}})
		}
		h.Recorder.Add(recorder.Event{Time: at.Add(5 * time.Minute), Boot: id, Machine: "pc1", Text: "closed"})
		at = at.Add(6 * time.Minute)
	}
	boot("good", "debian:11", recorder.StageRunning)
	for _, id := range []string{"a", "b", "c"} {
		boot(id, "debian:12", last)
	}
	h.discover(mac1, loaders.EFI64, false)
	b := h.Recorder.Boots("pc1")[0]
	if b.Diagnosis == nil || b.Diagnosis.Kind != diagnose.CrashLoop || b.Outcome != "" {
		t.Fatalf("%q, %+v", b.Outcome, b.Diagnosis)
	}
	if c := b.Diagnosis.Causes[0]; c.Remedy != "bootes machine set pc1 --image debian:11, then switch it off and on" {
		t.Errorf("%+v", c)
	}
}

// TestCrashLoopNamesVolume: at the beginning of a boot its script, which would name the
// disk, is not made yet.
func TestCrashLoopNamesVolume(t *testing.T) {
	h := newHouse(t)
	c := diagnose.Case{Subject: "pc1", Known: true, Begins: true}
	if h.known(t.Context(), &c); c.Disk.Image != "debian:12" || c.Disk.Volume != "" {
		t.Errorf("before its first boot: %+v", c.Disk)
	}
	v := h.boots(mac1)
	if h.known(t.Context(), &c); c.Disk.Volume != v.ID {
		t.Errorf("its disk is %s: %+v", v.ID, c.Disk)
	}
}

// TestFailingDisk: it is told of at once, and once, and the boot goes on.
func TestFailingDisk(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	h.discover(mac1, loaders.EFI64, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	h.Reach(ad.Boot, recorder.StageRunning, "runs")
	full := DiskFailure{Err: fmt.Errorf("write: %w", block.ErrNoSpace), AtLimit: true, Limit: 1 << 20}
	for range 3 {
		h.DiskFails(ad.Boot, full)
	}
	if !eventually(func() bool { return h.Recorder.Boots("pc1")[0].Diagnosis != nil }) {
		t.Fatal("nothing is said")
	}
	time.Sleep(50 * time.Millisecond)
	b := h.Recorder.Boots("pc1")[0]
	if b.Outcome != recorder.OutcomeRunning || b.Diagnosis == nil || b.Diagnosis.Kind != diagnose.DiskFull {
		t.Errorf("%q, %+v", b.Outcome, b.Diagnosis)
	}
	if n := len(slices.DeleteFunc(b.Events, func(e recorder.Event) bool { return e.Diagnosis == nil })); n != 1 {
		t.Errorf("told of %d times", n)
	}
	h.DiskFails(ad.Boot, DiskFailure{Err: block.ErrCorrupt})
	if !eventually(func() bool { return h.Recorder.Boots("pc1")[0].Diagnosis.Kind == diagnose.ImageCorrupt }) {
		t.Errorf("%+v", h.Recorder.Boots("pc1")[0].Diagnosis)
	}
}

// TestConclusiveEvidence is told of at once: the machine is about to start over.
func TestConclusiveEvidence(t *testing.T) {
	for kind, fails := range map[string]func(h *house, ad *Admitted){
		diagnose.NotBootable: func(h *house, ad *Admitted) {
			h.Opened(ad.Boot, diagnose.Layout{Seen: true, Blank: true}, nil)
			h.SessionEnded(ad.Boot, Session{Remote: addr1, Firmware: true}, "initiator closed the connection", time.Second)
		},
		diagnose.ImageCorrupt: func(h *house, ad *Admitted) {
			h.Opened(ad.Boot, diagnose.Layout{}, fmt.Errorf("open it: %w", block.ErrCorrupt))
		},
		diagnose.LoginRefused: func(h *house, ad *Admitted) {
			h.LoginRefused(initiatorOf(ad.Boot.User), ad.Boot.User, "its address is not right")
		},
	} {
		h := newHouse(t)
		h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
		h.between = 20 * time.Millisecond
		h.discover(mac1, loaders.EFI64, true)
		user, _ := h.script(mac1, addr1)
		ad, err := h.admit(user)
		if err != nil {
			t.Fatal(err)
		}
		h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
		fails(h, ad)
		if b := h.stopped("pc1"); b.Outcome != recorder.OutcomeStalled || b.Diagnosis.Kind != kind {
			t.Errorf("%s: %q, %+v", kind, b.Outcome, b.Diagnosis)
		}
	}
}

// TestIPXEOpensItsDiskTwice under BIOS, whenever it boots: nothing is wrong.
func TestIPXEOpensItsDiskTwice(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	h.between = 100 * time.Millisecond
	h.Moved = func(string) Moved { return Moved{Reads: 5, Read: 158 << 10} }
	h.discover(mac1, loaders.EFI64, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	iPXE := Session{Remote: addr1, Firmware: true}
	h.LoggedIn(ad.Boot, iPXE)
	h.Reach(ad.Boot, recorder.StageRead, "first read")
	h.SessionEnded(ad.Boot, iPXE, "initiator closed the connection", time.Second)
	h.LoggedIn(ad.Boot, iPXE)
	time.Sleep(4 * h.between)
	if b := h.Recorder.Boots("pc1")[0]; b.Outcome != "" || b.Diagnosis != nil {
		t.Errorf("%q, %+v", b.Outcome, b.Diagnosis)
	}
	h.SessionEnded(ad.Boot, iPXE, "initiator closed the connection", time.Second)
	if b := h.stopped("pc1"); b.Diagnosis == nil || b.Diagnosis.Kind != diagnose.NoSystemLogin {
		t.Errorf("it has given its disk up: %q, %+v", b.Outcome, b.Diagnosis)
	}
}

// TestUntakenIsNotGivenUp: iPXE to which nothing gets through has not given its
// disk up.
func TestUntakenIsNotGivenUp(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.EFI64, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
	h.SessionEnded(ad.Boot, Session{Remote: addr1, Firmware: true, Untaken: true}, "nothing was taken", time.Second)
	if y := h.attempts.current("pc1").seen.System; !y.Untaken || y.Left {
		t.Errorf("%+v", y)
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
	if y := h.attempts.current("pc1").seen.System; y.Untaken {
		t.Errorf("it has opened its disk again: %+v", y)
	}
}

// TestReplacedBootTellsWhy: iPXE gives up and restarts its machine before anybody
// would call it silent.
func TestReplacedBootTellsWhy(t *testing.T) {
	h := newHouse(t)
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return time.Hour }
	read := func() *Admitted {
		h.discover(mac1, loaders.EFI64, true)
		user, _ := h.script(mac1, addr1)
		ad, err := h.admit(user)
		if err != nil {
			t.Fatal(err)
		}
		h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
		h.Reach(ad.Boot, recorder.StageRead, "first read")
		return ad
	}
	h.Moved = func(string) Moved { return Moved{Reads: 900, Read: 30 << 20} }
	read()
	h.SessionEnded(read().Boot, Session{Remote: addr1, Firmware: true}, "initiator closed the connection", time.Second)
	read()
	boots := h.Recorder.Boots("pc1")
	if b := boots[2]; b.Outcome != recorder.OutcomeReplaced || b.Diagnosis != nil {
		t.Errorf("one that somebody may have switched off: %q, %+v", b.Outcome, b.Diagnosis)
	}
	if b := boots[1]; b.Outcome != recorder.OutcomeStalled || b.Diagnosis == nil || b.Diagnosis.Kind != diagnose.NoSystemLogin {
		t.Errorf("one that iPXE gave up: %q, %+v", b.Outcome, b.Diagnosis)
	}
}

// TestSystemThatDiesEarly is diagnosed though it has run; one that ran for longer
// was switched off.
func TestSystemThatDiesEarly(t *testing.T) {
	const orderly = 2 * time.Second // it is logged out then
	for lasted, want := range map[time.Duration]recorder.Outcome{
		time.Second: recorder.OutcomeStalled, time.Hour: recorder.OutcomeRunning, orderly: recorder.OutcomeRunning,
	} {
		h := newHouse(t)
		ad := h.running()
		h.SessionEnded(ad.Boot, Session{Remote: addr1, LoggedOut: lasted == orderly}, "the initiator answers no ping", lasted)
		time.Sleep(200 * time.Millisecond)
		if b := h.Recorder.Boots("pc1")[0]; b.Outcome != want {
			t.Errorf("after %s: %q, %+v", lasted, b.Outcome, b.Diagnosis)
		}
	}
}

// TestSystemThatAnswersNoPing: what its network card sends tells whether it is gone,
// and nobody waits any longer to say so.
func TestSystemThatAnswersNoPing(t *testing.T) {
	other := netip.MustParseAddr("192.168.1.50")
	for _, tt := range []struct {
		name   string
		lasted time.Duration
		heard  diagnose.Heard
		want   recorder.Outcome
		kind   string
		text   string
	}{
		{"soon gone", time.Second, diagnose.Heard{Known: true}, recorder.OutcomeStalled, diagnose.SystemGone, "the kernel stopped (panic)"},
		{"lives, by another address", time.Hour, diagnose.Heard{Known: true, Anything: true, From: []netip.Addr{other}},
			recorder.OutcomeRunning, diagnose.SystemGone, "192.168.1.50"},
		{"switched off", time.Hour, diagnose.Heard{Known: true}, recorder.OutcomeRunning, "", "nothing has come from its network card for 2m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			h.Patience = diagnose.Patience
			var asked time.Time
			h.Heard = func(_ string, since time.Time) diagnose.Heard { asked = since; return tt.heard }
			var open atomic.Bool // the session, which is gone with its end
			open.Store(true)
			h.Moved = func(string) Moved { return Moved{Reads: 1, Read: 1 << 20, System: open.Load()} }
			ad := h.running()
			open.Store(false)
			h.SessionEnded(ad.Boot, Session{Remote: addr1, Unanswered: 2 * time.Minute}, "the initiator answers no ping", tt.lasted)
			var b recorder.Boot
			if !eventually(func() bool {
				b = h.Recorder.Boots("pc1")[0]
				return strings.Contains(b.Events[len(b.Events)-1].Text, tt.text)
			}) {
				t.Fatalf("its last event is %+v", b.Events[len(b.Events)-1])
			}
			if kind := kindOf(b); b.Outcome != tt.want || kind != tt.kind {
				t.Errorf("outcome %q, kind %q; want %q, %q", b.Outcome, kind, tt.want, tt.kind)
			}
			if d := b.Diagnosis; d != nil && tt.lasted < recorder.ShortRun && !strings.Contains(d.Summary, "for 2m") {
				t.Errorf("how long it is silent: %s", d.Summary)
			}
			if ago := time.Since(asked); ago < 2*time.Minute || ago > 3*time.Minute {
				t.Errorf("the card was listened for since %s ago", ago)
			}
		})
	}
}

// TestSystemThatClosesItsConnection has not been switched off: it is listened for what
// it does now.
func TestSystemThatClosesItsConnection(t *testing.T) {
	h := newHouse(t)
	other := netip.MustParseAddr("192.168.1.50")
	var since atomic.Int64
	h.Heard = func(_ string, at time.Time) diagnose.Heard {
		since.Store(at.UnixNano())
		return diagnose.Heard{Known: true, Anything: true, From: []netip.Addr{other}}
	}
	var open atomic.Bool
	open.Store(true)
	h.Moved = func(string) Moved { return Moved{Reads: 1, Read: 1 << 20, System: open.Load()} }
	ad := h.running()
	open.Store(false)
	ended := time.Now()
	h.SessionEnded(ad.Boot, Session{Remote: addr1}, "initiator closed the connection", 31*time.Second)
	d := h.diagnosed("pc1")
	if d.Kind != diagnose.SystemGone || !strings.Contains(d.Causes[0].Text, other.String()) {
		t.Errorf("%+v", d)
	}
	if d := time.Unix(0, since.Load()).Sub(ended); d < farewell || d > farewell+time.Second {
		t.Errorf("the card was listened for since %s after the end", d)
	}
}

func kindOf(b recorder.Boot) string {
	if b.Diagnosis == nil {
		return ""
	}
	return b.Diagnosis.Kind
}

// TestResume: boots that were under way at the last stop are closed, too, unless
// they go on.
func TestResume(t *testing.T) {
	h := newHouse(t)
	h.resumeEvery = time.Millisecond
	h.Patience = func(recorder.Stage, recorder.Usual) time.Duration { return 100 * time.Millisecond }
	for _, name := range []string{"pc1", "pc2", "pc3", "pc4"} {
		h.Recorder.Add(recorder.Event{Boot: name + "-1", Machine: name, Stage: recorder.StageRead, Text: "first read"})
	}
	h.Recorder.Add(recorder.Event{Boot: "pc4-1", Machine: "pc4", Stage: recorder.StageRunning, Text: "runs"})
	reads := uint64(0)
	began := time.Now()
	h.Moved = func(boot string) (m Moved) {
		if boot != "pc2-1" {
			return m
		}
		if reads++; time.Since(began) > 300*time.Millisecond {
			h.Recorder.Add(recorder.Event{Boot: boot, Machine: "pc2", Stage: recorder.StageRunning, Text: "runs"})
		}
		return Moved{Reads: reads}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := h.Resume(ctx); err != nil || ctx.Err() != nil {
		t.Fatalf("%v, %v", err, ctx.Err())
	}
	for name, want := range map[string]recorder.Outcome{
		"pc1": recorder.OutcomeStalled, "pc2": recorder.OutcomeRunning, "pc3": recorder.OutcomeStalled, "pc4": recorder.OutcomeRunning,
	} {
		b := h.Recorder.Boots(name)[0]
		if b.Outcome != want || want == recorder.OutcomeStalled && b.Diagnosis.Kind != diagnose.Interrupted {
			t.Errorf("%s: %q, %+v", name, b.Outcome, b.Diagnosis)
		}
	}
}

// TestLoopOfAKnownCause: what the boots before stopped of is more than that they
// did.
func TestLoopOfAKnownCause(t *testing.T) {
	h := newHouse(t)
	d := &recorder.Diagnosis{Kind: diagnose.NotBootable, Summary: "no boot sector"}
	for n := range 3 {
		id := fmt.Sprint("b", n)
		h.Recorder.Add(recorder.Event{Boot: id, Machine: "pc1", Stage: recorder.StageRead, Text: "read"})
		h.Recorder.Add(recorder.Event{Boot: id, Machine: "pc1", Outcome: recorder.OutcomeStalled, Diagnosis: d, Text: "stopped"})
	}
	h.discover(mac1, loaders.EFI64, false)
	b := h.Recorder.Boots("pc1")[0]
	if want := "the 3 boots before it came as far as read; the last: no boot sector"; b.Outcome != "" || b.Diagnosis != nil || b.Events[1].Text != want {
		t.Errorf("%q, %+v, %q; want %q", b.Outcome, b.Diagnosis, b.Events[1].Text, want)
	}
}
