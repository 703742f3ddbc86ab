package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test may keep its network: more than twice what the slowest
// takes on two busy cores, and short enough that two that hang leave time for the rest.
const patience = 20 * time.Minute

// watchdog ends the programs of a test that does not end: whoever waits for one of
// them goes on then, and the test fails alone instead of holding up all others.
type watchdog struct {
	net    *Net
	tb     testing.TB
	within time.Duration
	stop   chan struct{}
	done   chan struct{}
}

// watch watches over a test until the function that it returns is called.
func watch(tb testing.TB, n *Net, within time.Duration) (stop func()) {
	w := &watchdog{net: n, tb: tb, within: within, stop: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return func() { close(w.stop); <-w.done }
}

func (w *watchdog) run() {
	defer close(w.done)
	if w.stops(w.within) {
		return
	}
	w.tb.Errorf("%s has not ended within %s: its programs are killed, again and again.\n%s\nIts goroutines:\n%s",
		w.tb.Name(), w.within, w.net.logTails(20), stacks())
	for again := false; !again || !w.stops(time.Second); again = true {
		w.net.killAll()
	}
}

// stops waits, and reports whether the test has ended meanwhile.
func (w *watchdog) stops(within time.Duration) bool {
	select {
	case <-w.stop:
		return true
	case <-time.After(within):
		return false
	}
}

// stacks are those of all goroutines that run or were started by code of this module.
func stacks() string {
	b := make([]byte, 4<<20)
	b = b[:runtime.Stack(b, true)]
	var ours []string
	for _, g := range strings.Split(string(b), "\n\n") {
		if strings.Contains(g, "bootes.dev/") {
			ours = append(ours, g)
		}
	}
	return strings.Join(ours, "\n\n")
}

// logTails are the last lines of all logs and consoles of the network.
func (n *Net) logTails(lines int) string {
	var b strings.Builder
	logs, _ := filepath.Glob(n.Path("*.log"))
	for _, path := range logs {
		raw, _ := os.ReadFile(path)
		text := new(ansi).appendText(nil, raw[max(0, len(raw)-keepText):])
		fmt.Fprintf(&b, "The end of %s:\n%s\n", filepath.Base(path), tail(text, lines))
	}
	return b.String()
}

// killAll kills all programs that are in one of the network's namespaces.
func (n *Net) killAll() {
	ours := map[uint64]bool{}
	n.mu.Lock()
	for _, t := range n.threads {
		if !t.ended() {
			ours[t.namespace] = true
		}
	}
	n.mu.Unlock()
	all, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, path := range all {
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if id, e := namespaceID(path); e == nil && err == nil && ours[id] && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// namespaceID tells one namespace from all others that there are.
func namespaceID(path string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return st.Ino, err
}
