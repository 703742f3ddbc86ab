package doctor

import (
	"fmt"
	"os/exec"
	"time"

	"bootes.dev/internal/netif"
	"golang.org/x/sys/unix"
)

// host is what of this computer is not its network or its disk.
type host struct {
	now        time.Time
	synced     bool // the kernel is told by someone that its clock is right
	clockErr   error
	files      uint64 // descriptors that a server started from here may have
	neighbours int    // that the kernel remembers at once; -1: not known
	missing    []tool
}

// tool is a program that some command runs.
type tool struct{ name, pkg, without string }

var tools = []tool{
	{"qemu-img", "qemu-utils", "only raw disk images can be imported and exported"},
	{"mmdebstrap", "mmdebstrap", "`bootes image build` does not work"},
}

func lookAtHost() (h host) {
	h.now = time.Now()
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	h.synced, h.clockErr = state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0, err
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		h.files = files.Max
	}
	h.neighbours = -1
	if n, ok := netif.NeighbourLimit(); ok {
		h.neighbours = n
	}
	for _, t := range tools {
		if _, err := exec.LookPath(t.name); err != nil {
			h.missing = append(h.missing, t)
		}
	}
	return h
}

// made is when this was written: no clock that is right is before it.
var made = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Bounds of what a room of machines takes.
const (
	enoughFiles      = 16384
	enoughNeighbours = 1024
)

func judgeHost(h host) []Finding {
	g := group{check: "this computer"}
	switch {
	case h.now.Before(made):
		g.fail(fmt.Sprintf("its clock says %s", h.now.Format("2006-01-02 15:04")), "timedatectl set-ntp true, or timedatectl set-time")
	case h.clockErr == nil && !h.synced:
		g.warn("nobody keeps its clock right: times in logs and timelines may mislead", "timedatectl set-ntp true, or apt-get install chrony")
	default:
		g.ok("its clock is right")
	}
	if h.files < enoughFiles {
		g.warn(fmt.Sprintf("a program started from here may open %d files: too few for many machines", h.files), "start the server by its unit, dist/bootes.service, which raises that")
	}
	if h.neighbours >= 0 && h.neighbours < enoughNeighbours {
		g.warn(fmt.Sprintf("its kernel remembers %d neighbours at most", h.neighbours),
			"for more machines than that: "+netif.RaiseNeighbourLimit(4*enoughNeighbours))
	}
	for _, t := range h.missing {
		g.warn(fmt.Sprintf("%s is not installed: %s", t.name, t.without), "apt-get install "+t.pkg)
	}
	return g.all
}
