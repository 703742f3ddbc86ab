package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"bootes.dev/internal/config"
)

// link is a network interface to serve, as it is now.
type link struct {
	name   string
	mode   config.Mode
	served netip.Prefix // the network that the config says this is; zero: any

	err      error // it could not be looked at; else:
	up       bool
	carrier  bool
	wireless bool
	mtu      int
	addrs    []address
	bridge   *bridge // nil: it is none
}

type address struct {
	netip.Prefix
	leased bool // by a DHCP client: it may change
}

type bridge struct {
	stp   bool
	delay time.Duration  // from link up to forwarding, of each of two states
	mtus  map[string]int // of its ports
}

// links are the interfaces to look at.
func (o Options) links() (all []link) {
	for _, i := range o.interfaces() {
		l := link{name: i.Name, mode: i.DHCP, served: i.Prefix}
		l.err = l.look()
		all = append(all, l)
	}
	return all
}

// interfaces are those of the config. If it names none, they are all that are
// up, as proxies.
func (o Options) interfaces() (all []config.Interface) {
	for _, i := range o.Config.Interfaces {
		if o.Only == "" || o.Only == i.Name {
			all = append(all, i)
		}
	}
	if len(all) > 0 {
		return all
	}
	if o.Only != "" {
		return []config.Interface{{Name: o.Only, DHCP: config.Proxy}}
	}
	found, _ := netlink.LinkList()
	for _, l := range found {
		if a := l.Attrs(); a.Flags&unix.IFF_UP != 0 && a.Flags&unix.IFF_LOOPBACK == 0 && a.MasterIndex == 0 && len(a.HardwareAddr) == 6 {
			all = append(all, config.Interface{Name: a.Name, DHCP: config.Proxy})
		}
	}
	return all
}

func (l *link) look() error {
	found, err := netlink.LinkByName(l.name)
	if err != nil {
		var missing netlink.LinkNotFoundError
		if errors.As(err, &missing) {
			return errors.New("there is no such interface")
		}
		return err
	}
	a := found.Attrs()
	l.up, l.carrier, l.mtu = a.RawFlags&unix.IFF_UP != 0, a.RawFlags&unix.IFF_LOWER_UP != 0, a.MTU
	_, err = os.Stat(filepath.Join("/sys/class/net", l.name, "wireless"))
	l.wireless = err == nil
	addrs, err := netlink.AddrList(found, netlink.FAMILY_V4)
	if err != nil {
		return err
	}
	for _, x := range addrs {
		ip, _ := netip.AddrFromSlice(x.IP.To4())
		bits, _ := x.Mask.Size()
		l.addrs = append(l.addrs, address{netip.PrefixFrom(ip, bits), x.Flags&unix.IFA_F_PERMANENT == 0})
	}
	if found.Type() == "bridge" {
		l.bridge = lookAtBridge(a.Index)
	}
	return nil
}

func lookAtBridge(index int) *bridge {
	b := &bridge{mtus: map[string]int{}}
	all, _ := netlink.LinkList()
	for _, l := range all {
		if a := l.Attrs(); a.MasterIndex == index {
			b.mtus[a.Name] = a.MTU
		}
	}
	b.stp, b.delay = spanningTree(index)
	return b
}

// Attributes of a bridge (linux/if_link.h) that netlink.Bridge lacks. /sys has
// them too, but those of the network namespace that it was mounted in.
const (
	bridgeForwardDelay = 1 // in hundredths of a second
	bridgeSTPState     = 5
)

func spanningTree(index int) (on bool, delay time.Duration) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_REQUEST)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	answers, err := req.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil || len(answers) == 0 {
		return false, 0
	}
	for _, a := range nested(nested(attributes(answers[0][unix.SizeofIfInfomsg:]), unix.IFLA_LINKINFO), nl.IFLA_INFO_DATA) {
		if len(a.Value) != 4 {
			continue
		}
		switch n := nl.NativeEndian().Uint32(a.Value); a.Attr.Type {
		case bridgeSTPState:
			on = n != 0
		case bridgeForwardDelay:
			delay = time.Duration(n) * 10 * time.Millisecond
		}
	}
	return on, delay
}

func attributes(b []byte) []syscall.NetlinkRouteAttr {
	all, _ := nl.ParseRouteAttr(b)
	return all
}

// nested are the attributes inside the one of a kind.
func nested(in []syscall.NetlinkRouteAttr, kind uint16) []syscall.NetlinkRouteAttr {
	for _, a := range in {
		if a.Attr.Type&^unix.NLA_F_NESTED == kind {
			return attributes(a.Value)
		}
	}
	return nil
}

func judgeLink(l link) []Finding {
	g := group{check: "interface " + l.name}
	switch {
	case l.err != nil:
		g.fail(l.err.Error(), "write the name of one that there is under interfaces: in the config (`ip link` lists them)")
		return g.all
	case !l.up:
		g.fail("it is down", fmt.Sprintf("ip link set %s up, and bring it up at each start of this computer", l.name))
	case l.bridge != nil && len(l.bridge.mtus) == 0:
		g.warn("it is a bridge without a port", fmt.Sprintf("put the network card that leads to the machines into it: ip link set CARD master %s", l.name))
	case !l.carrier:
		g.fail("it is up, but has no link", "look at the cable and at the switch's port")
	case len(l.addrs) > 0:
		g.ok(fmt.Sprintf("up, %s", l.addrs[0].Prefix))
	default:
		g.ok("up")
	}
	l.judgeAddresses(&g)
	if l.wireless {
		g.warn("it is wireless: most access points drop frames that are not their own stations', and firmware has no Wi-Fi", "serve machines by a cable")
	}
	l.judgeMTU(&g)
	if b := l.bridge; b != nil && b.stp && b.delay > 0 {
		g.warn(fmt.Sprintf("it is a bridge with spanning tree: each port stays silent for %s after its link comes up, and firmware and iPXE do not wait as long", 2*b.delay),
			fmt.Sprintf("ip link set %s type bridge stp_state 0, if nothing else connects its ports; on a switch: PortFast, or \"edge port\", for the ports of machines", l.name))
	}
	return g.all
}

func (l link) judgeAddresses(g *group) {
	if len(l.addrs) == 0 {
		g.fail("it has no IPv4 address", fmt.Sprintf("ip addr add ADDRESS/LENGTH dev %s, and keep it in this computer's network settings", l.name))
		return
	}
	for _, a := range l.addrs {
		if a.leased {
			g.warn(fmt.Sprintf("its address %s comes from a DHCP server and may change: machines that run would lose their disks", a.Addr()),
				"give this computer a static address")
		}
	}
	if l.served.IsValid() && !l.has(l.served) {
		g.fail(fmt.Sprintf("it has no address in %s, the network that the config says this is", l.served),
			fmt.Sprintf("ip addr add ADDRESS/%d dev %s, or correct prefix: in the config", l.served.Bits(), l.name))
	}
}

func (l link) has(p netip.Prefix) bool {
	for _, a := range l.addrs {
		if p.Contains(a.Addr()) {
			return true
		}
	}
	return false
}

// ethernetMTU is what firmware uses, whatever the network can do.
const ethernetMTU = 1500

func (l link) judgeMTU(g *group) {
	switch {
	case l.mtu < ethernetMTU:
		g.fail(fmt.Sprintf("its MTU is %d, and firmware sends frames of up to %d bytes", l.mtu, ethernetMTU), fmt.Sprintf("ip link set %s mtu %d", l.name, ethernetMTU))
	case l.mtu > ethernetMTU:
		g.warn(fmt.Sprintf("its MTU is %d: every switch on the way, and the system on every machine, must take such frames", l.mtu),
			fmt.Sprintf("unless they do: ip link set %s mtu %d", l.name, ethernetMTU))
	}
	if l.bridge == nil {
		return
	}
	for name, mtu := range l.bridge.mtus {
		if mtu < l.mtu {
			g.fail(fmt.Sprintf("its port %s has an MTU of %d: larger frames are lost there without a word", name, mtu), fmt.Sprintf("ip link set %s mtu %d", name, l.mtu))
		}
	}
}
