// Package ipxe writes the scripts that Boötes gives to iPXE.
//
// A script is made for one machine at the moment it asks, and holds all that
// the site decides: https://ipxe.org/scripting. iPXE expands ${…} in every
// line, splits at blanks and knows no quoting, so values are checked, never
// escaped.
package ipxe

import (
	"fmt"
	"net/netip"
	"strings"
)

// iscsiPort is the port that an iSCSI URI need not name (RFC 7143, 4.2.7.1).
const iscsiPort = 3260

// Disk is the iSCSI disk a machine boots from, and how iPXE names itself to
// its target. iPXE writes all of it into the iBFT, where the operating system
// finds it.
type Disk struct {
	Hostname  string // RFC 1123 label; into the iBFT's NIC structure
	Initiator string // iSCSI name
	Target    string // iSCSI name
	Portal    netip.AddrPort
	LUN       uint8
	User      string // CHAP name
	Secret    string // CHAP secret
	Label     string // what the screen says is being booted

	// ReverseUser and ReverseSecret make it mutual CHAP: iPXE, and the system
	// that reads the iBFT, leave a target that does not prove them. Both empty:
	// CHAP in one direction.
	ReverseUser   string
	ReverseSecret string

	// Report is where iPXE says first what it knows of its machine; empty: nowhere.
	Report string
	// NoLongMode is what iPXE fetches if its processor has no 64-bit mode; empty: it
	// does not look. What it gets is not looked at.
	NoLongMode string
}

// BootDisk returns the script that opens d and boots from it. On failure the
// machine shows why, waits and starts over.
func BootDisk(d Disk) (string, error) {
	mutual := d.ReverseUser != "" || d.ReverseSecret != ""
	values := []string{d.Hostname, d.Initiator, d.Target, d.User, d.Secret}
	if mutual {
		values = append(values, d.ReverseUser, d.ReverseSecret)
	}
	for _, v := range values {
		if err := checkValue(v); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	fmt.Fprintln(&b, "#!ipxe")
	fmt.Fprintf(&b, "echo Bootes: %s boots %s\n", d.Hostname, printable(d.Label))
	if d.Report != "" {
		fmt.Fprintf(&b, "imgfetch --name facts %s?report=1&%s && imgfree facts ||\n", d.Report, facts)
	}
	if d.NoLongMode != "" {
		// Bit 29 of the extended features is long mode; that bit 0 of the others, a
		// floating-point unit, is there shows that this iPXE can look at all.
		fmt.Fprintf(&b, "cpuid --ext 29 && goto boot ||\ncpuid 0 && imgfetch --name facts %s && imgfree facts ||\n:boot\n", d.NoLongMode)
	}
	fmt.Fprintf(&b, "set initiator-iqn %s\n", d.Initiator)
	fmt.Fprintf(&b, "set hostname %s\n", d.Hostname)
	fmt.Fprintf(&b, "set username %s\n", d.User)
	fmt.Fprintf(&b, "set password %s\n", d.Secret)
	if mutual {
		fmt.Fprintf(&b, "set reverse-username %s\n", d.ReverseUser)
		fmt.Fprintf(&b, "set reverse-password %s\n", d.ReverseSecret)
	}
	fmt.Fprintf(&b, "sanboot %s ||\n", URI(d.Portal, d.LUN, d.Target))
	fmt.Fprintf(&b, "echo Bootes: the disk of %s could not be booted. On the server: bootes boot log %s\n", d.Hostname, d.Hostname)
	b.WriteString(startOver)
	return b.String(), nil
}

// URI returns the name of a disk for iPXE's SAN commands and for DHCP's
// root-path (RFC 4173).
func URI(portal netip.AddrPort, lun uint8, target string) string {
	port := ""
	if portal.Port() != iscsiPort {
		port = fmt.Sprint(portal.Port())
	}
	return fmt.Sprintf("iscsi:%s::%s:%x:%s", portal.Addr(), port, lun, target)
}

// startOver gives a person time to read the screen and the server time to
// come back.
const startOver = "sleep 20\nreboot\n"

// Message returns a script that shows lines on the machine's screen, waits and
// starts the machine over.
func Message(lines ...string) string {
	var b strings.Builder
	fmt.Fprintln(&b, "#!ipxe")
	for _, l := range lines {
		fmt.Fprintf(&b, "echo %s\n", printable(l))
	}
	b.WriteString(startOver)
	return b.String()
}

// checkValue refuses what iPXE would split, expand or take for a comment.
func checkValue(v string) error {
	if v == "" {
		return fmt.Errorf("write iPXE script: a value is empty")
	}
	for _, r := range v {
		if r <= ' ' || r > '~' || strings.ContainsRune(`${}|&;"'#\`, r) {
			return fmt.Errorf("write iPXE script: %q cannot be written in a script", v)
		}
	}
	return nil
}

// printable keeps what is safe in an echo line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`${}|&;"'#\`, r) {
			return '?'
		}
		return r
	}, s)
}
