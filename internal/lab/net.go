package lab

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// Bridge is the name of the bridge inside every Net's namespace. It carries the
// server's address.
const Bridge = "br0"

// DefaultServer is the server's address and network when NetOptions names none.
var DefaultServer = netip.MustParsePrefix("10.77.0.1/24")

// NetOptions say what network to make. The zero value is good.
type NetOptions struct {
	Server netip.Prefix // address of the bridge with its prefix length
	Dir    string       // for logs and sockets; default: a temporary folder, removed by Close

	// Within bounds the test that New makes the network for; default: 20 minutes.
	Within time.Duration
}

// Net is a private network: a namespace with a bridge, and all that runs there.
// Its methods may be called from several goroutines.
type Net struct {
	name    string
	dir     string
	ownDir  bool
	server  netip.Prefix
	thread  *thread
	mu      sync.Mutex
	threads []*thread      // that and those of the hosts
	closers []func() error // run in reverse order
	links   int
	closed  bool
}

// NewNet makes a private network. The caller closes it.
func NewNet(o NetOptions) (*Net, error) {
	sweepNames()
	if !o.Server.IsValid() {
		o.Server = DefaultServer
	}
	n := &Net{name: newName(), dir: o.Dir, server: o.Server}
	if err := n.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("make lab network: %w", err), n.Close())
	}
	return n, nil
}

// New makes a private network for a test, with NewNet, and closes it when the
// test ends. The logs of a failed test are kept and named. A test that has not
// ended in time fails, with the stacks of its goroutines and the ends of its logs,
// and its programs are killed.
func New(tb testing.TB, o NetOptions) *Net {
	tb.Helper()
	Require(tb)
	n, err := NewNet(o)
	if err != nil {
		tb.Fatal(err)
	}
	stop := watch(tb, n, cmp.Or(o.Within, patience))
	tb.Cleanup(func() {
		defer stop()
		if tb.Failed() && n.ownDir {
			n.ownDir = false
			tb.Logf("logs of the lab are kept in %s", n.dir)
		}
		if err := n.Close(); err != nil {
			tb.Error(err)
		}
	})
	return n
}

func (n *Net) open() error {
	if n.dir == "" {
		// Short, because the path of a unix socket has 108 bytes at most.
		dir, err := os.MkdirTemp("", "lab-")
		if err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		n.dir, n.ownDir = dir, true
	} else if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	t, err := newThread()
	if err != nil {
		return err
	}
	n.thread = t
	n.addThread(t)
	if err := nameNamespace(n.name, t.path()); err != nil {
		return err
	}
	n.onClose(func() error { return unnameNamespace(n.name) })
	return t.do(n.addBridge)
}

func (n *Net) addBridge() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	snoop := false
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: Bridge}, MulticastSnooping: &snoop}
	if err := netlink.LinkAdd(br); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	addr, err := netlink.ParseAddr(n.server.String())
	if err != nil {
		return fmt.Errorf("parse address %q: %w", n.server, err)
	}
	if err := netlink.AddrAdd(br, addr); err != nil {
		return fmt.Errorf("add address %q: %w", n.server, err)
	}
	if err := netlink.LinkSetUp(br); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	return nil
}

// Name is the namespace's name, for `ip netns exec NAME COMMAND`.
func (n *Net) Name() string { return n.name }

// Dir holds the logs and sockets of the lab.
func (n *Net) Dir() string { return n.dir }

// Server is the address of the bridge.
func (n *Net) Server() netip.Prefix { return n.server }

// Path joins a file name to Dir.
func (n *Net) Path(name string) string { return filepath.Join(n.dir, name) }

// Do runs f on a thread inside the namespace and waits for it. Sockets that f
// opens stay in the namespace wherever they are used afterwards.
func (n *Net) Do(f func() error) error { return n.thread.do(f) }

// addThread makes a namespace part of the network.
func (n *Net) addThread(t *thread) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.threads = append(n.threads, t)
}

// onClose has f run by Close, before all that was registered earlier.
func (n *Net) onClose(f func() error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closers = append(n.closers, f)
}

// Close ends all guests and programs and removes the network.
func (n *Net) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	closers := n.closers
	n.mu.Unlock()
	var errs []error
	for i := len(closers) - 1; i >= 0; i-- {
		errs = append(errs, closers[i]())
	}
	if n.thread != nil {
		n.thread.close()
	}
	if n.ownDir {
		errs = append(errs, os.RemoveAll(n.dir))
	}
	return errors.Join(errs...)
}
