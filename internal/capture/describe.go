package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Line is one packet in words.
type Line struct {
	Time        time.Time
	FromMachine bool // else it was sent to the machine, or to all
	Text        string
}

// Lines tells what Packets has, in words. Texts may hold what machines have
// sent, as it is.
func (c *Capture) Lines(spans ...Span) (lines []Line) {
	for _, o := range c.of(spans) {
		f, ok := parse(o.Data, c.o.Ports)
		if !ok {
			continue
		}
		lines = append(lines, Line{o.Time, f.sentBy(o.mac, c.o.Ports), f.describe(c.o.Ports)})
	}
	return lines
}

// sentBy reports whether a frame comes from a machine, which may be behind a
// relay or a router.
func (f *frame) sentBy(mac MAC, p Ports) bool {
	switch f.kind {
	case kindDHCP:
		return f.payload[0] == bootRequest
	case kindHTTP:
		return f.dst.Port() == p.HTTP
	case kindISCSI:
		return f.dst.Port() == p.ISCSI
	case kindTFTP:
		switch binary.BigEndian.Uint16(f.payload) {
		case tftpRRQ, tftpWRQ, tftpACK:
			return true
		case tftpDATA, tftpOACK:
			return false
		}
	}
	return f.from == mac
}

func (f *frame) describe(p Ports) string {
	switch f.kind {
	case kindARP:
		return f.describeARP()
	case kindDHCP:
		return dhcpText(f.payload).String()
	case kindDHCPv6:
		return f.describeDHCPv6()
	case kindTFTP:
		return f.describeTFTP()
	case kindHTTP:
		return f.describeTCP("HTTP", f.describeHTTP(p))
	case kindISCSI:
		return f.describeTCP("iSCSI", describeMessage(f.payload))
	}
	return f.describeICMP()
}

// describeARP: RFC 826.
func (f *frame) describeARP() string {
	b := f.payload
	switch {
	case b[7] == 2:
		return fmt.Sprintf("ARP %s is at %s", f.src.Addr(), MAC(b[8:14]))
	case f.src.Addr() == f.dst.Addr():
		return fmt.Sprintf("ARP announces %s", f.src.Addr())
	case f.src.Addr().IsUnspecified():
		return fmt.Sprintf("ARP is %s in use?", f.dst.Addr())
	}
	return fmt.Sprintf("ARP who has %s? tell %s", f.dst.Addr(), f.src.Addr())
}

// oneBlock is the largest block that fits into an ordinary packet.
const oneBlock = 1468

func (f *frame) describeTFTP() string {
	op, rest := binary.BigEndian.Uint16(f.payload), f.payload[2:]
	number := binary.BigEndian.Uint16(rest)
	switch op {
	case tftpRRQ, tftpWRQ:
		fields := texts(rest)
		verb := "get "
		if op == tftpWRQ {
			verb = "put "
		}
		if len(fields) < 2 {
			return "TFTP malformed request"
		}
		return sentence("TFTP "+verb+fields[0], append([]string{fields[1]}, pairs(fields[2:])...)...)
	case tftpOACK:
		return sentence("TFTP agrees to", strings.Join(pairs(texts(rest)), " "))
	case tftpDATA:
		if f.datagram > tftpLen+oneBlock {
			return fmt.Sprintf("TFTP blocks from %d on, %d bytes", number, f.datagram)
		}
		return fmt.Sprintf("TFTP block %d, %d bytes", number, f.datagram-tftpLen)
	case tftpACK:
		return fmt.Sprintf("TFTP has block %d", number)
	case tftpERROR:
		return sentence(fmt.Sprintf("TFTP error %d", number), texts(rest[2:])...)
	}
	return fmt.Sprintf("TFTP operation %d", op)
}

// texts are strings that end with a zero byte each.
func texts(b []byte) []string {
	return strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
}

// pairs are names and values of options.
func pairs(fields []string) (all []string) {
	for i := 0; i+1 < len(fields); i += 2 {
		all = append(all, fields[i]+"="+fields[i+1])
	}
	return all
}

// sentence puts details behind a head, those that there are.
func sentence(head string, details ...string) string {
	for _, d := range details {
		if d != "" {
			head += ", " + d
		}
	}
	return head
}

// longestRequest is what is told of one. iPXE's reports of its machine are longer.
const longestRequest = 100

func (f *frame) describeHTTP(p Ports) string {
	head, _, _ := strings.Cut(string(f.payload), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	if f.dst.Port() == p.HTTP {
		what, _ := strings.CutSuffix(lines[0], " HTTP/1.1")
		if len(what) > longestRequest {
			what = what[:longestRequest] + "..."
		}
		return sentence(what, header(lines, "Range"), header(lines, "User-Agent"))
	}
	_, status, _ := strings.Cut(lines[0], " ")
	return sentence(status, header(lines, "Content-Type"), header(lines, "Content-Length"), header(lines, "Location"))
}

// header is a header's line; "": it is not there.
func header(lines []string, name string) string {
	for _, l := range lines[1:] {
		if n, _, ok := strings.Cut(l, ":"); ok && strings.EqualFold(n, name) {
			return l
		}
	}
	return ""
}

// describeTCP tells of what a segment carries, or of what becomes of its
// connection.
func (f *frame) describeTCP(protocol, carries string) string {
	if len(f.payload) > 0 {
		return protocol + " " + carries
	}
	const syn, rst, ack = 0x02, 0x04, 0x10
	var what string
	switch {
	case f.flags&rst != 0:
		what = "connection is reset"
	case f.flags&syn != 0 && f.flags&ack != 0:
		what = "connection is accepted"
	case f.flags&syn != 0:
		what = fmt.Sprintf("connects to %s", f.dst)
	default:
		what = "connection ends"
	}
	return protocol + " " + what
}

// describeICMP: RFC 792; code 4 with the MTU of RFC 1191.
func (f *frame) describeICMP() string {
	b := f.payload
	what := "time exceeded"
	if b[0] == icmpUnreachable {
		what = fmt.Sprintf("unreachable, code %d", b[1])
		switch b[1] {
		case 0:
			what = "network unreachable"
		case 1:
			what = "host unreachable"
		case 3:
			what = "port unreachable"
		case 4:
			what = fmt.Sprintf("packet too large, MTU %d", binary.BigEndian.Uint16(b[6:]))
		case 9, 10, 13:
			what = "prohibited by a firewall"
		}
	}
	return "ICMP " + what + about(b[icmpLen:])
}

// about tells of the packet that an ICMP message is about.
func about(ip []byte) string {
	head := 0
	if len(ip) >= ipv4Len {
		head = int(ip[0]&0xf) * 4
	}
	if head < ipv4Len || len(ip) < head+4 {
		return ""
	}
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte(ip[16:])), binary.BigEndian.Uint16(ip[head+2:]))
	switch ip[9] {
	case protoUDP:
		return fmt.Sprintf(": UDP to %s", to)
	case protoTCP:
		return fmt.Sprintf(": TCP to %s", to)
	}
	return fmt.Sprintf(": to %s", to.Addr())
}
