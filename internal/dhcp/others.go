package dhcp

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Other is another DHCP server on a network that we serve.
type Other struct {
	Rival
	MAC        string // of Source; "" while only clients have named it
	Since      time.Time
	Last       time.Time // when it was last heard of
	Gone       bool      // it does not answer probes any more
	Unexpected bool      // it came after we had looked who was there

	answers bool // it has answered a probe: its silence means something
	missed  int  // probes in a row that it has not answered
}

const (
	maxOthers = 32 // anybody can send offers
	goneAfter = 2  // probes unanswered
	// rumourTime is how long a server that has answered no probe keeps its place
	// from others that nobody has proved either.
	rumourTime = 10 * time.Minute
)

// others are the other DHCP servers of one interface's network.
type others struct {
	name  string
	mode  Mode
	auto  bool
	log   *slog.Logger
	warn  func(text string) // of what concerns boots, too
	ours  func(netip.Addr) bool
	hurry chan struct{} // asks for a probe now

	mu      sync.Mutex
	all     []*Other
	settled bool // the first probe is over: whoever comes now is news
	flooded bool
}

func newOthers(c InterfaceConfig, log *slog.Logger) *others {
	return &others{name: c.Name, mode: c.Mode, auto: c.Auto, log: log, warn: func(string) {}, ours: isOurs, hurry: make(chan struct{}, 1)}
}

// isOurs reports whether an address is one of this host's.
func isOurs(a netip.Addr) bool {
	all, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(all, func(b net.Addr) bool {
		n, ok := b.(*net.IPNet)
		if !ok {
			return false
		}
		own, _ := netip.AddrFromSlice(n.IP)
		return own.Unmap() == a
	})
}

// sighting is how a server was noticed.
type sighting struct {
	Rival
	mac   string
	probe bool   // it answered one of ours
	by    string // what it was noticed by, in words
}

// saw notes a server.
func (n *others) saw(s sighting, now time.Time) {
	id := cmp.Or(s.ServerID, s.Source)
	n.mu.Lock()
	defer n.mu.Unlock()
	if k := n.find(id); k != nil {
		n.again(k, s, now)
		return
	}
	if n.ours(id) || n.ours(s.Source) {
		return
	}
	if len(n.all) == maxOthers && !n.makeRoom(s.probe, now) {
		if !n.flooded {
			n.flooded = true
			n.log.Warn("too many DHCP servers answer to follow them all: somebody makes them up", "interface", n.name, "servers", maxOthers)
		}
		return
	}
	k := &Other{Rival: s.Rival, MAC: s.mac, Since: now, Last: now, answers: s.probe}
	k.Interface, k.ServerID = n.name, id
	alone := !n.present()
	n.all = append(n.all, k)
	if n.settled {
		n.appeared(k, s, alone)
	}
}

// makeRoom forgets a server that does not answer probes, the one that was not
// heard of for longest. For one that is there, any such will do.
func (n *others) makeRoom(there bool, now time.Time) bool {
	oldest := -1
	for i, k := range n.all {
		if rumour := !k.answers || k.Gone; rumour && (oldest < 0 || k.Last.Before(n.all[oldest].Last)) {
			oldest = i
		}
	}
	if oldest < 0 || !there && now.Sub(n.all[oldest].Last) < rumourTime {
		return false
	}
	n.all = slices.Delete(n.all, oldest, oldest+1)
	return true
}

func (n *others) find(id netip.Addr) *Other {
	i := slices.IndexFunc(n.all, func(k *Other) bool { return k.ServerID == id })
	if i < 0 {
		return nil
	}
	return n.all[i]
}

// again refreshes what is known of a server.
func (n *others) again(k *Other, s sighting, now time.Time) {
	if s.Source.IsValid() {
		k.Source, k.MAC = s.Source, s.mac
	}
	if s.Offered.IsValid() {
		k.Offered = s.Offered
	}
	if s.BootFile != "" {
		k.BootFile, k.NextServer = s.BootFile, s.NextServer
	}
	k.Last, k.missed, k.answers = now, 0, k.answers || s.probe
	if k.Gone {
		k.Gone = false
		n.log.Info("DHCP server answers again", "interface", n.name, "server", k.ServerID)
	}
}

// present reports whether a server that gives addresses is there.
func (n *others) present() bool {
	return slices.ContainsFunc(n.all, func(k *Other) bool { return !k.Gone && !k.Proxy() })
}

// alone reports that nobody gives addresses on this network, as far as has
// been looked. It has a probe made to make sure.
func (n *others) alone() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.settled || n.present() {
		return false
	}
	select {
	case n.hurry <- struct{}{}:
	default:
	}
	return true
}

// isSettled reports that the first probe is over.
func (n *others) isSettled() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settled
}

// rogue reports whether a server came after we had looked who was there.
func (n *others) rogue(id netip.Addr) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.find(id)
	return k != nil && k.Unexpected
}

// probed ends a probe that began at start. It reports whether all that were
// expected have answered.
func (n *others) probed(start time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	complete := true
	for _, k := range n.all {
		if !k.answers || k.Gone || !k.Last.Before(start) {
			continue
		}
		complete = false
		if k.missed++; k.missed == goneAfter {
			k.Gone = true
			n.disappeared(k)
		}
	}
	if !n.settled {
		n.settled = true
		n.settle()
	}
	return complete
}

// list is a copy of what is known, in the order of finding.
func (n *others) list() []Other {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]Other, len(n.all))
	for i, k := range n.all {
		all[i] = *k
	}
	return all
}

// settle says what the first probe found.
func (n *others) settle() {
	servers := 0
	for _, k := range n.all {
		n.log.Info(k.kind()+" found", append(k.attrs(), "mode", n.modeName())...)
		n.advise(k)
		if !k.Proxy() {
			servers++
		}
	}
	switch {
	case n.mode == ModeServer:
	case servers == 0:
		n.log.Warn("no DHCP server answers: machines get no address here", "interface", n.name, "remedy", n.whenAlone())
		n.warn("no DHCP server answers: machines get no address. Remedy: " + n.whenAlone())
	case servers > 1:
		n.log.Warn("several DHCP servers answer", "interface", n.name, "servers", servers, "remedy", "if they are not meant to be a pair, switch one off")
		n.warn(fmt.Sprintf("%d DHCP servers answer. Remedy: if they are not meant to be a pair, switch one off; `bootes dhcp-status` shows them", servers))
	}
}

func (n *others) modeName() string {
	if n.auto {
		return "auto: a proxy"
	}
	return n.mode.String()
}

func (n *others) whenAlone() string {
	const begin = `switch the network's DHCP server on, or let Boötes be it: "dhcp: server" and a range`
	if n.auto {
		return begin + `; if one is there that answers none but clients that it knows: "dhcp: proxy"`
	}
	return begin
}

// appeared says that there is a server that was not there before.
func (n *others) appeared(k *Other, s sighting, alone bool) {
	attrs := append(k.attrs(), "noticed", s.by)
	if n.mode == ModeProxy && (alone || k.Proxy()) {
		n.log.Info(k.kind()+" found", append(attrs, "mode", n.modeName())...)
		n.advise(k)
		return
	}
	k.Unexpected = true
	harm := "two servers on one network give out clashing addresses, and wrong routes"
	if k.Proxy() {
		harm = "machines take its word or ours on what to boot"
	}
	n.log.Warn("another "+k.kind()+" has appeared", append(attrs, "remedy", harm+": find it by its MAC in the switches' tables, and switch it off")...)
	n.warn(fmt.Sprintf("another %s has appeared: %s. Remedy: find it by its MAC in the switches' tables, and switch it off", k, harm))
}

func (n *others) disappeared(k *Other) {
	attrs := append(k.attrs(), "last", k.Last)
	if !n.present() && n.mode == ModeProxy && !k.Proxy() {
		attrs = append(attrs, "remedy", "machines get no address until it is back")
	}
	n.log.Warn(k.kind()+" no longer answers", attrs...)
	n.warn(k.String() + " no longer answers")
}

// advise warns of a server that sends machines elsewhere to boot.
func (n *others) advise(k *Other) {
	if n.mode != ModeProxy || k.BootFile == "" || k.NextServer.IsValid() && n.ours(k.NextServer) {
		return
	}
	n.log.Warn("the other server tells machines what to boot, too: they take its word or ours", append(k.attrs(),
		"remedy", "take its boot file out, or see `bootes dhcp-snippet --help` for what it should say")...)
	n.warn(fmt.Sprintf("%s tells machines what to boot, too (%s): they take its word or ours. "+
		"Remedy: take its boot file out, or see `bootes dhcp-snippet --help` for what it should say", k, k.BootFile))
}

func (k *Other) kind() string {
	if k.Proxy() {
		return "ProxyDHCP server"
	}
	return "DHCP server"
}

// String names the server as a person can find it.
func (k *Other) String() string {
	text := fmt.Sprintf("%s %s", k.kind(), k.ServerID)
	if k.MAC != "" {
		text += " (MAC " + k.MAC + ")"
	}
	return text
}

func (k *Other) attrs() []any {
	all := []any{"interface", k.Interface, "server", k.ServerID}
	if k.Source.IsValid() && k.Source != k.ServerID {
		all = append(all, "from", k.Source)
	}
	if k.MAC != "" {
		all = append(all, "mac", k.MAC)
	}
	if k.BootFile != "" {
		all = append(all, "boot_file", fmt.Sprintf("%s from %s", k.BootFile, k.NextServer))
	}
	return all
}
