package diagnose

import (
	"net/netip"
	"time"

	"bootes.dev/internal/recorder"
)

// Case is all that is known of a boot that stopped. What was not seen is zero.
type Case struct {
	Subject string // what commands call it: the machine's name, or the MAC of one that nobody has added
	MAC     string
	Known   bool   // somebody has added it
	HowTo   string // the command that adds it, of a machine that is not Known
	Near    Card   // a machine that has never been seen, and whose MAC is nearly its own

	Interface string
	Server    netip.Addr // our address there, as the machine was told
	Ports     Ports

	Stage     recorder.Stage // the furthest
	Silent    time.Duration  // since the last sign of life
	Usual     time.Duration  // how long its earlier boots were at this stage; 0: not known
	Restarted bool           // this server was started since: what it knew of the boot is gone
	Away      time.Duration  // if so: from the last that is on record of the boot to that start

	Begins bool // it has just begun: what is said is of the boots before it
	Barred bool // its system has written to its disk, and cannot run, by what is on it
	Mounts bool // its system has begun to run, and mounts what its disk does not have

	Loop Loop // those boots, if they broke off alike

	Reopened int    // times that its system has opened its disk anew, if that is what is told of, within Going
	LostBy   string // how its session had ended, the last time

	Goes     bool           // it has not stopped: what is said is of how fast it goes
	Going    time.Duration  // in which it got on at this stage
	Pace     Pace           // if so, of late; else since its session began
	Together int            // other machines that read their disks to boot now
	Peers    recorder.Usual // how long those boots of other machines that have its image took for this stage

	Firmware Firmware
	DHCP     DHCP // of the firmware
	IPXE     DHCP // of iPXE
	Loader   Loader
	Script   Script
	Login    Login
	Disk     Disk
	System   System
	Past     Past
	Knocks   Knocks
	Heard    Heard
	Conflict Conflict
	Pool     Pool
	Twin     string // how it was seen that another computer has its MAC address; "": it was not
	Way      Way
}

// Heard is what came from its network card while its system answered no ping.
type Heard struct {
	Known    bool // it was listened for
	Anything bool
	From     []netip.Addr // the addresses that it sent from, the newest last
}

// Ports are those that this server serves.
type Ports struct{ HTTP, TFTP, ISCSI uint16 }

// Firmware is what the machine starts from.
type Firmware struct {
	Name string // "UEFI x86-64"; "" if iPXE is all that was seen
	Arch string // "x86_64", as iPXE's releases name it; "" if not known
	Runs string // what files it runs: "BIOS", "UEFI x86-64"; "" if not known
	UEFI bool   // Secure Boot may stand in the way
	HTTP bool   // it fetches by HTTP
	// NoLongMode: its processor has no 64-bit mode. Only iPXE of a BIOS looks.
	NoLongMode bool
	Flag       string // what `bootes simulate --firmware` calls it; "" if it cannot play it
}

// DHCP is what one of the machine's programs asked for, and got.
type DHCP struct {
	Proxy    bool          // we say what to boot, and others give the addresses
	Asked    int           // DISCOVERs
	Late     time.Duration // for how long it had asked when we first heard it (the field secs)
	Answered int           // of our OFFERs
	File     string        // that they named
	NoBoot   string        // why they named none
	Refused  string        // why its last message was not answered
	Full     bool          // there was no address left
	// Routerless is the network behind a relay whose machines we tell no router; zero:
	// they are told one.
	Routerless netip.Prefix
	Offered    netip.Addr // the address in our OFFER
	Proxied    bool       // it asked on port 4011, too, and was answered
	Has        netip.Addr // the address that it has
	From       netip.Addr // the other server that it took that from; zero: us
	// Outside is our network there, where the address that it took of another server is
	// of none of ours; zero: it is of one, or nobody can tell.
	Outside netip.Prefix
	Relay   netip.Addr   // through which it asks
	Network netip.Prefix // behind it; zero: we serve none there
	Others  []Server     // other DHCP servers on that network
	// Heard are other machines there that came for what they were told to boot.
	Heard int
}

// Server is another DHCP server.
type Server struct {
	Addr  netip.Addr
	MAC   string     // "": not known
	File  string     // the boot file that it names; "": none
	Next  netip.Addr // from where: siaddr; not valid: it says nothing
	Proxy bool       // it gives no addresses
}

// Loader is what its firmware was told to fetch, and what it fetched.
type Loader struct {
	Told    string
	For     string // what runs the file, as Firmware.Runs; "" if it cannot be told
	Asked   string // a file that it asked for, and that is being sent
	Pinned  bool   // by `bootes machine set --loader`
	Signed  bool   // a shim
	Missing string // a file that it asked for and no folder has
	Name    string // the last that was fetched whole
	Proto   string // "TFTP", "HTTP", or both
	Times   int    // that it was fetched whole
	Took    time.Duration
	Resent  int           // packets of it, or windows of them
	Returns int           // how often its firmware asked for an address again thereafter
	Back    time.Duration // the shortest time until it did
	Second  string        // what a shim asked for and did not get
	Chained Chained       // a chain of loaders that would never end, and was ended

	Failed Transfer // the last that failed; zero: none, or one succeeded since
	// Stuck is the length of the IP packets of which not one got through, where
	// small ones did; 0: there were none.
	Stuck int
}

// Chained is a loader that iPXE loads again and again. The zero value is none.
type Chained struct {
	Name   string
	Times  int
	Why    string
	Remedy string
}

// Transfer is one that broke off.
type Transfer struct {
	Name      string
	Proto     string
	Bytes     int64
	Why       string
	Answered  bool // the client answered at least once
	Packet    int  // length of a full IP packet of it; 0: not known
	Resent    int  // packets, or windows of them
	Repeated  int  // times that the client repeated its last answer, by TFTP
	Times     int  // that it broke off
	Alike     bool // each time after as many bytes
	Restarted bool // the client asked anew while it was under way
}

// Script is what iPXE was told to fetch, and its disk as the script names it.
type Script struct {
	URL       string
	Refusals  int
	Refused   string // the last reason
	Final     bool   // that reason is not of who asks, or from where
	Portal    netip.AddrPort
	Portaled  bool // by portal: of the config, and not where the request came in
	Ours      bool // the portal is an address of this server
	HTTPed    bool // by http: of the config
	Waiting   bool // for a person's approval
	Connected int  // connections to the portal that asked for nothing
}

// Login is what became of logins to the machine's target.
type Login struct {
	Refusals int
	Refused  string // the last reason
	Open     string // why the disk could not be opened
	Broken   string // why the last that was begun was not ended, by nobody's will
}

// Disk is what the machine was given to boot from.
type Disk struct {
	Volume string
	Image  string
	Ref    string // what the machine names, an image or a tag
	Ready  bool   // the image is known to find its disk by iSCSI: `bootes image build` made it, or --identity says so
	Layout Layout
	// Contents is what was found in its file systems, once the boot had stopped.
	Contents Contents
	Reads    uint64
	Read     int64 // bytes
	Written  int64
	// Unacknowledged are bytes that were sent to it and did not arrive, or whose
	// acknowledgement did not.
	Unacknowledged int

	Full    string // the error of its writes
	AtLimit bool   // by the volume's own limit, and not by the server's disk
	Limit   int64
	Folder  string // of the server's data
	Corrupt string // the error of its reads
	Damaged string // what of its image has changed since it was made
	Sound   bool   // all of its image was compared with its hashes lately, and is as it was made
}

// Layout is what the beginning of a disk shows.
type Layout struct {
	Seen      bool
	Blank     bool // all zeros
	Signature bool // 55 AA at the end of the first sector
	Code      bool // and code before it
	GPT       bool
	ESP       bool     // an EFI system partition
	EFI       []string // files in its \EFI\BOOT; nil: not looked at
}

// System is what was seen of the operating system.
type System struct {
	Asked     bool          // it asked for an address, so it has a driver for the card
	Took      netip.Addr    // the address that it took by DHCP
	Open      bool          // it has a session
	Ended     string        // why its last session ended; "" while it is open
	LoggedOut bool          // in order, as when it is shut down
	Deaf      bool          // because it answered no ping
	Silent    time.Time     // since when it answers none, and has its session still; zero: it does
	Lasted    time.Duration // from its login to either
	Untaken   bool          // a session of iPXE ended because it took nothing of what was sent to it
	Left      bool          // iPXE closed its session, as UEFI does when a kernel starts
	GaveUp    bool          // and opened no other for some seconds, as it does under BIOS
}

// Past is what earlier boots tell.
type Past struct {
	Failed    int           // boots in a row, this one included, that came as far and never ran, or not for long
	Short     int           // of those, the ones that ran for a moment
	Ran       time.Duration // the last of those, until the next began
	LoggedOut bool          // the system of the boot before had logged out, as when it is shut down
	LastRan   string        // image of the last boot that ran
	LastAt    time.Time
	Elsewhere int // other machines that run this image
	Ephemeral bool
	Tag       bool     // Disk.Ref is a tag
	Snapshots []string // of the volume, the newest first
}
