//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/site"
)

// secondPortal is another address of the server, for a second path.
var secondPortal = netip.MustParsePrefix("10.77.0.2/24")

// dataMAC is the network card of a machine that is never switched on. Another
// one opens its disk.
const dataMAC = "52:54:00:00:00:10"

// dataDisk adds a machine and returns its account.
func (f *fixture) dataDisk(name string) account {
	f.t.Helper()
	return f.idleMachine(name, dataMAC, "10.77.0.90")
}

// idleMachine adds a machine that is never switched on and returns its account,
// with which any computer can open its disk.
func (f *fixture) idleMachine(name, mac, addr string) account {
	f.t.Helper()
	f.cli("machine", "add", name, "--mac", mac, "--image", imageRef, "--"+api.Persistent)
	host, err := f.Net.NewHost(mac, netip.MustParseAddr(addr))
	if err != nil {
		f.t.Fatal(err)
	}
	set, err := f.Script(f.t.Context(), host, mac)
	if err != nil {
		f.t.Fatal(err)
	}
	return account{
		initiator: set["initiator-iqn"], target: iqn + name, user: set["username"], secret: set["password"],
		reverseUser: set["reverse-username"], reverseSecret: set["reverse-password"],
	}
}

// portal is the server as open-iscsi wants it named.
func (f *fixture) portal() string { return f.Net.Server().Addr().String() + ":3260" }

// plugSecond gives the server its second address; unplugSecond takes it away,
// so that all that is sent there is lost without a word.
func (f *fixture) plugSecond() {
	f.t.Helper()
	f.changeSecond(netlink.AddrAdd)
}

func (f *fixture) unplugSecond() {
	f.t.Helper()
	f.changeSecond(netlink.AddrDel)
}

func (f *fixture) changeSecond(change func(netlink.Link, *netlink.Addr) error) {
	f.t.Helper()
	err := f.Net.Do(func() error {
		link, err := netlink.LinkByName(lab.Bridge)
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr(secondPortal.String())
		if err != nil {
			return err
		}
		return change(link, addr)
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// node is one path to a target, as the guest's open-iscsi knows it.
type node struct {
	g *guest
	account
	portal string
}

// node makes a record of a path to an account's target. Settings are names and
// values of iscsid.conf.
func (g *guest) node(a account, portal string, settings ...string) node {
	g.t.Helper()
	n := node{g, a, portal}
	// An interface of its own carries the account's initiator name.
	g.run(fmt.Sprintf("iface=%s; iscsiadm -m iface -I $iface > /dev/null 2>&1 || { iscsiadm -m iface -I $iface -o new && "+
		"iscsiadm -m iface -I $iface -o update -n iface.initiatorname -v %s; }", n.iface(), a.initiator))
	g.run("iscsiadm " + n.name() + " -I " + n.iface() + " -o new")
	n.set(append([]string{
		"node.session.auth.authmethod", "CHAP",
		"node.session.auth.username", a.user, "node.session.auth.password", a.secret,
		"node.session.initial_login_retry_max", "1",
	}, settings...)...)
	return n
}

func (n node) iface() string { return "if-" + n.target[strings.LastIndexByte(n.target, ':')+1:] }

func (n node) name() string { return "-m node -T " + n.target + " -p " + n.portal }

// set changes settings of the record, for the next login.
func (n node) set(settings ...string) {
	n.g.t.Helper()
	for i := 0; i < len(settings); i += 2 {
		n.g.run(fmt.Sprintf("iscsiadm %s -o update -n '%s' -v '%s'", n.name(), settings[i], settings[i+1]))
	}
}

// open logs in and returns the disk's name in the guest.
func (n node) open() string {
	n.g.t.Helper()
	n.g.run("iscsiadm " + n.name() + " --login && udevadm settle")
	return n.g.run("readlink -f " + fmt.Sprintf("/dev/disk/by-path/ip-%s-iscsi-%s-lun-0", n.portal, n.target))
}

func (n node) close() {
	n.g.t.Helper()
	n.g.run("iscsiadm " + n.name() + " --logout")
}

// refused logs in where that must fail, and returns what iscsiadm says.
func (n node) refused() string {
	n.g.t.Helper()
	out, err := n.g.try("iscsiadm " + n.name() + " --login 2>&1")
	if err == nil {
		n.g.t.Errorf("login to %s at %s succeeds", n.target, n.portal)
		n.close()
	}
	return out
}

// toolsFixture is newFixture with an image that holds programs for testing.
func toolsFixture(t *testing.T) *fixture {
	t.Helper()
	lab.Require(t, "qemu-system-x86_64", "mmdebstrap", "qemu-img", "dhclient", "curl")
	image, err := site.ToolsImage(t.Context(), func(stage string, done, total int) {
		t.Logf("image with tools: %d of %d: %s", done, total, stage)
	})
	if err != nil {
		t.Fatal(err)
	}
	f := prepare(t, serverMode)
	f.serve()
	f.cli("image", "import", imageRef, image, "--identity")
	return f
}
