// Package dhcp is a DHCP server (RFC 2131, RFC 2132) and a ProxyDHCP server
// (PXE specification 2.1, RFC 4578) for machines that boot from the network.
//
// Each interface has one of two modes. As a server we lease addresses and say
// what to boot:
//
//	client                         us
//	  │ DISCOVER ── broadcast ──▶ :67
//	  │ ◀── OFFER yiaddr, siaddr, file, 60 "PXEClient", 43 {6: 8}
//	  │ REQUEST (54 = us) ──────▶ :67
//	  │ ◀── ACK
//
// As a proxy we stand beside the site's own DHCP server, never give an
// address, and add only what to boot, and only for firmware:
//
//	client                         site's server      us
//	  │ DISCOVER ── broadcast ──▶ :67 ──────────────▶ :67
//	  │ ◀── OFFER yiaddr ──────────┘                   │
//	  │ ◀── OFFER yiaddr 0, siaddr, file, 60 ──────────┘
//	  │ REQUEST/ACK with the site's server
//	  │ REQUEST, unicast ────────────────────────────▶ :4011
//	  │ ◀── ACK siaddr, file ──────────────────────────┘
//
// BIOS ROMs get option 43 with the discovery control bit "use the boot file
// name, do not search boot servers", and skip the 4011 round. UEFI must not
// get it from a proxy: EDK2 drops proxy offers that carry option 43; without
// it, it takes the offer for Microsoft's BINL and asks siaddr on port 4011.
//
// Clients of other networks reach us through relays, which put their address on
// the client's network into giaddr, by which we know it, and get the answer:
//
//	client                   relay                   us
//	  │ DISCOVER ─ broadcast ▶ │ giaddr, 82 ─ unicast ─▶ :67
//	  │ ◀────────── OFFER ──── │ ◀─────── giaddr:67, 82 ─┘
//	  │ REQUEST to renew ─ unicast, through routers ───▶ :67
//
// Identity is chaddr alone. Option 61 is ignored: ROM, iPXE, initramfs and OS
// each send another one, and the machine must keep one address through all. It
// only marks clients that are simulated, who are answered like the machine whose
// address they have, and leave no trace.
//
// What a client is allowed and what it boots is asked of a Policy, which is
// also told what was answered, or why nothing was. Addresses come from Leases.
package dhcp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Policy is what the servers ask.
type Policy interface {
	// Decide is called once for every well-formed client message, and again if
	// the lease chosen means that the client reaches us by another address.
	Decide(ctx context.Context, q Query) Decision
	// Sent is called once for each message: what was answered, or why nothing was.
	Sent(q Query, r Reply)
}

// Query is a client's message, as far as a decision may depend on it.
type Query struct {
	Interface string
	Mode      Mode
	Server    netip.Addr // our address on that interface
	Relay     netip.Addr // giaddr; zero: the client is on our wire
	From      netip.Addr // that the message came from: the client's, or its relay's towards us
	// Network is the one behind a relay that the client is on; zero: none that
	// the interface has.
	Network  netip.Prefix
	Port     int // ServerPort or ProxyPort
	Type     MessageType
	MAC      net.HardwareAddr
	Xid      uint32
	UUID     [16]byte // option 97 in canonical byte order; zero if absent or a dummy
	Firmware Firmware
	IPXE     bool // by user class (77) or encapsulated options (175)
	NetBoot  bool // PXE or HTTP-boot firmware, or iPXE

	Features Features // what its iPXE can do
	// AsksAsIPXE: it wants option 175, which only iPXE knows. Whoever asks so
	// and has neither mark of iPXE is one that something has taken them from.
	AsksAsIPXE bool

	VendorClass string // option 60
	Hostname    string // option 12, as the client calls itself

	Requested netip.Addr // option 50
	ServerID  netip.Addr // option 54
	CIAddr    netip.Addr
	Secs      uint16 // for how long the client says that it has asked, in seconds

	Simulated  bool   // it only looks what a machine would get: nothing is kept of it
	Simulation string // that it belongs to; "": to none
}

// Decision is what a client gets.
type Decision struct {
	Machine  string // "" for an unknown one
	Hostname string // option 12
	Serve    bool   // may have a lease in server mode
	Boot     bool   // is told what to boot, if it is net-booting
	// Filename is the TFTP path or the URL for this client.
	Filename   string
	NextServer netip.Addr // zero: Query.Server
	// RootPath is the disk of a client that is not net-booting, for firmware and
	// HBAs with iSCSI of their own. It is told in server mode, to those who ask.
	RootPath string
	Address  netip.Addr // kept for the machine, as Leases knows too; zero: none
	Reason   string     // in words, why it gets no lease or no boot
}

// Reply is what was answered.
type Reply struct {
	Decision Decision
	Type     MessageType    // 0: nothing was sent
	Addr     netip.Addr     // the address given
	To       netip.AddrPort // where the answer went
	Boot     bool           // it said what to boot
	Instead  string         // why the address given is not the one kept for the machine
	Rogue    bool           // the client takes the offer of a server that came after we had looked who was there
	Looking  bool           // nothing was sent yet, for it is looked first whether the address is free
	// Routerless is the network behind a relay of which the client was told an address,
	// and no router.
	Routerless netip.Prefix
	Full       FullPool // that no address was left in; zero: there was
	Reason     string   // why nothing was sent, or why no boot options were
	Err        error    // a fault of ours: leases unavailable, send failed
}

// FullPool is a pool without an address left.
type FullPool struct {
	Network   netip.Prefix // the first of the client's link
	Range     string
	Addresses int
	Pools     []Pool
}

// Leases hands out addresses. Implementations decide by transaction.
type Leases interface {
	// Offer picks an address and marks it offered for a short time: the one
	// kept for this MAC's machine, else this MAC's lease, else Wanted if it is
	// free, else a free one, else the one that expired longest ago.
	Offer(ctx context.Context, r LeaseRequest) (Lease, error)
	// Commit makes the address Wanted this MAC's for TTL. Errors that wrap
	// ErrLeaseTaken or ErrOutOfPool are told to the client as a NAK.
	Commit(ctx context.Context, r LeaseRequest) (Lease, error)
	// Release ends a lease; the address stays this MAC's by preference.
	Release(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) error
	// Decline marks an address, offered or leased to this MAC, that was found
	// in use by a stranger: nobody gets it for a while.
	Decline(ctx context.Context, mac net.HardwareAddr, addr netip.Addr) error
}

// LeaseRequest asks for an address out of Pools, or for the one that is kept
// for the MAC's machine if it lies in one of Subnets.
type LeaseRequest struct {
	MAC       net.HardwareAddr
	Interface string
	// Subnets of the client's link. The first names the link: a MAC has one
	// lease on each.
	Subnets  []netip.Prefix
	Pools    []Pool
	Wanted   netip.Addr // zero: any
	TTL      time.Duration
	Hostname string
	Exclude  []netip.Addr // never given, not even to a machine for which it is kept
	Look     bool         // Offer holds nothing
}

// Pool is addresses in a row, both ends included.
type Pool struct{ First, Last netip.Addr }

// Lease is an address that belongs to a MAC for a time.
type Lease struct {
	Addr    netip.Addr
	MAC     string // lower case, colons
	Expires time.Time
	New     bool // an offer of an address that the MAC has not had
}

// Errors by which Leases tells what the client must be told.
var (
	ErrLeaseTaken = errors.New("address belongs to another machine")
	ErrOutOfPool  = errors.New("address is not in the pool")
	ErrPoolFull   = errors.New("no address left in the pool")
)

// Mode is what we are on an interface.
type Mode uint8

const (
	ModeProxy  Mode = iota // beside the site's DHCP server; gives no addresses
	ModeServer             // the DHCP server of this network
)

func (m Mode) String() string {
	if m == ModeServer {
		return "server"
	}
	return "proxy"
}

// InterfaceConfig is one interface to serve. Fields below Mode are for server
// mode only.
type InterfaceConfig struct {
	Name string
	Mode Mode
	// Auto: with ModeProxy, answer nobody while no DHCP server is there.
	Auto bool

	Subnets      []Subnet
	Force        bool // serve though another DHCP server answers
	ServeUnknown bool // lease to machines that nobody added, too
	Probe        bool // look whether an address is in use before it is first offered
}

// Subnet is one network on which we give addresses. It is on the interface's
// wire if the interface has an address in it, and behind a relay if not.
type Subnet struct {
	Prefix  netip.Prefix // zero: that of the interface's address which has the pools
	Pools   []Pool
	Exclude []Pool     // out of Pools
	Router  netip.Addr // zero: none
	DNS     []netip.Addr
	NTP     []netip.Addr
	Domain  string
	Routes  []Route
	Options []Option
	Hosts   []Host

	LeaseTime time.Duration // zero: DefaultLeaseTime
	Renew     time.Duration // T1; zero: half of LeaseTime
	Rebind    time.Duration // T2; zero: seven eighths of LeaseTime
}

// Route is one that clients are told (RFC 3442).
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// Option is one that clients are told because the operator says so.
type Option struct {
	Code  uint8
	Value []byte
}

// Host is a client that nobody added as a machine, and has an address of its own.
type Host struct {
	MAC  string // lower case, colons
	Addr netip.Addr
	Name string // option 12
}

// DefaultLeaseTime is long enough for a working day: a machine whose disk is
// on the network cannot live without its address.
const DefaultLeaseTime = 12 * time.Hour

// Options configures a Server.
type Options struct {
	Interfaces []InterfaceConfig
	Policy     Policy
	Leases     Leases // may be nil if every interface is a proxy
	// Known reports whether a hardware address is a known machine's: those are
	// served first when there is too much to do. May be nil.
	Known func(net.HardwareAddr) bool
	// Rush is told when many are given addresses at once, again every second while
	// they are, and when that is over. May be nil.
	Rush func(on bool)
	// Warn is told of what goes wrong on a whole network. May be nil.
	Warn func(ifname, text string)
	Log  *slog.Logger
	// ProbeTime is how long Run listens for a rival before it serves
	// (default 5 s: dnsmasq pings an address for 3 s before it offers it).
	ProbeTime time.Duration
	// ProbeEvery is the time from one look for other servers to the next
	// (default 3 minutes).
	ProbeEvery time.Duration
}

// Rival is a DHCP server that answered a probe.
type Rival struct {
	Interface string
	Source    netip.Addr // where its offer came from
	ServerID  netip.Addr // as it names itself (option 54)
	Offered   netip.Addr // the address it would give; zero from a ProxyDHCP server

	BootFile   string     // what it tells machines to boot itself
	NextServer netip.Addr // and from where
}

// Proxy reports whether the rival gives no addresses.
func (r Rival) Proxy() bool { return !r.Offered.IsValid() }
