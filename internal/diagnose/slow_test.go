package diagnose

import (
	"testing"
	"time"

	"bootes.dev/internal/recorder"
)

// goes: a boot that reads goes on, as p says.
func goes(p Pace, more ...func(*Case)) Case {
	p.Session, p.Over, p.Volume = time.Unix(1, 0), 40*time.Second, "pc1-abcd"
	c := at(recorder.StageRead, append([]func(*Case){scripted}, more...)...)
	c.Goes, c.Going, c.Pace = true, 70*time.Second, p
	c.Disk.Reads, c.Disk.Read = 200, 9<<20
	return c
}

func slowCases() map[string]Case {
	const s, ms = time.Second, time.Millisecond
	peers := with(func(c *Case) { c.Peers = recorder.Usual{Boots: 12, Median: 16 * s} })
	return map[string]Case{
		"slow_limit":      goes(Pace{Commands: 120, Read: 3 << 20, Served: 39 * s, Sent: 300, IOPS: 3, RTT: ms / 2}, peers),
		"slow_bandwidth":  goes(Pace{Commands: 120, Read: 3 << 20, Served: 39 * s, Sent: 300, IOPS: 9000, Bandwidth: 64 << 10}),
		"slow_disk":       goes(Pace{Commands: 100, Read: 3 << 20, Served: 36 * s, Sent: 300}, with(func(c *Case) { c.Together = 2 })),
		"slow_crowd":      goes(Pace{Commands: 100, Read: 3 << 20, Served: 36 * s, Sent: 300}, with(func(c *Case) { c.Together = 80 })),
		"slow_loss":       goes(Pace{Commands: 100, Read: 1 << 20, Served: s, Sent: 900, Resent: 110, Busy: 38 * s, RTT: ms}),
		"slow_far":        goes(Pace{Commands: 90, Read: 5 << 20, Served: 20 * ms, Sent: 4000, Resent: 1, Busy: 37 * s, RTT: 401 * ms}),
		"slow_far-narrow": goes(Pace{Commands: 30, Read: 5 << 20, Served: 20 * ms, Sent: 4000, Busy: 37 * s, RTT: 401 * ms}),
		"slow_link":       goes(Pace{Commands: 8, Read: 250 << 10, Served: 20 * ms, Sent: 200, Busy: 39 * s, RTT: 2 * ms}),
		"slow_modem":      goes(Pace{Commands: 8, Read: 250 << 10, Served: 20 * ms, Sent: 200, Busy: 39 * s, RTT: 24 * ms}),
		"slow_full":       goes(Pace{Commands: 8, Read: 250 << 10, Served: 20 * ms, Sent: 200, Busy: 39 * s, Full: 30 * s, RTT: 2 * ms}),
		"slow_itself":     goes(Pace{Commands: 400, Read: 2 << 20, Served: 20 * ms, Sent: 500, Busy: s}, with(func(c *Case) { c.Usual = 14 * s })),
		"slow_running":    goes(Pace{Commands: 4, Sent: 9000, Resent: 1100, RTT: ms, Over: s}, with(func(c *Case) { c.Stage = recorder.StageRunning })),
		"slow_loader-loss": at(recorder.StageFirmware, leased, with(func(c *Case) {
			c.Goes, c.Pace.Over = true, 25*s
			c.Pace.File = File{Name: "snponly.efi", Proto: "TFTP", Done: 60 << 10, Size: 270 << 10, Resent: 31}
		})),
		"slow_loader-http": at(recorder.StageFirmware, leased, with(func(c *Case) {
			c.Goes, c.Pace.Over = true, 25*s
			c.Pace.File = File{Name: "snponly.efi", Proto: "HTTP", Done: 60 << 10, Size: 270 << 10}
		})),
		"slow_loader": at(recorder.StageFirmware, leased, with(func(c *Case) {
			c.Goes, c.Pace.Over = true, 25*s
			c.Pace.File = File{Name: "snponly.efi", Proto: "TFTP", Done: 60 << 10, Size: 270 << 10}
		})),
	}
}

func TestIsSlow(t *testing.T) {
	for name, c := range slowCases() {
		if !IsSlow(c) && !c.Pace.Lossy() {
			t.Errorf("%s is not", name)
		}
	}
	idle := goes(Pace{Commands: 4, Over: time.Minute})
	if IsSlow(idle) {
		t.Error("a boot that waits for nothing, of a machine of which nothing is known")
	}
	idle.Usual, idle.Stage = time.Second, recorder.StageKernel
	if IsSlow(idle) {
		t.Error("a system that runs, and writes nothing")
	}
}

func TestPaceSince(t *testing.T) {
	first := Pace{Session: time.Unix(1, 0), Commands: 10, Read: 100, Served: 2, Sent: 20, Resent: 1, Busy: 5, Full: 1, IOPS: 3, RTT: 7}
	then := Pace{Session: first.Session, Commands: 15, Read: 170, Served: 6, Sent: 30, Resent: 4, Busy: 9, Full: 2, IOPS: 3, RTT: 8}
	want := Pace{Session: first.Session, Commands: 5, Read: 70, Served: 4, Sent: 10, Resent: 3, Busy: 4, Full: 1, IOPS: 3, RTT: 8, Over: time.Second}
	if got, ok := then.Since(first, time.Second); !ok || got != want {
		t.Errorf("%+v, %v; want %+v", got, ok, want)
	}
	other := then
	other.Session = time.Unix(2, 0)
	for name, p := range map[string]Pace{"another session": other, "a disk opened anew": {Session: first.Session, Commands: 2}, "none": {}} {
		if _, ok := p.Since(first, time.Second); ok {
			t.Error(name)
		}
	}
}

func TestCrawls(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		stage recorder.Stage
		usual recorder.Usual
		want  time.Duration
	}{
		{recorder.StageRead, recorder.Usual{}, 60 * s},
		{recorder.StageRead, recorder.Usual{Boots: 1, Median: s, Slowest: s}, 60 * s},
		{recorder.StageRead, recorder.Usual{Boots: 2, Median: 4 * s, Slowest: 5 * s}, 24 * s},
		{recorder.StageRead, recorder.Usual{Boots: 2, Median: 40 * s, Slowest: 50 * s}, 120 * s},
		{recorder.StageRead, recorder.Usual{Boots: 2, Median: 40 * s, Slowest: 100 * s}, 150 * s},
		{recorder.StageRunning, recorder.Usual{}, 0},
	} {
		if got := Crawls(tt.stage, tt.usual); got != tt.want {
			t.Errorf("at %s, usually %+v: %s, want %s", tt.stage, tt.usual, got, tt.want)
		}
	}
}
