package capture

import (
	"bytes"
	"encoding/binary"
)

// keep returns a copy of what of the frame b may be kept; false: nothing.
func (f *frame) keep(b []byte, p Ports) ([]byte, bool) {
	n := len(f.payload)
	switch f.kind {
	case kindHTTP:
		if f.dst.Port() != p.HTTP {
			n = responseHead(f.payload)
		}
	case kindISCSI:
		n = messageLen(f.payload)
	case kindTFTP:
		if binary.BigEndian.Uint16(f.payload) == tftpDATA {
			n = tftpLen
		}
	case kindICMP:
		n = complaintLen(f.payload)
	}
	if n == 0 && !f.ends(b) {
		return nil, false
	}
	kept := bytes.Clone(b[:f.headers+n])
	if f.kind == kindISCSI {
		hideProof(kept[f.headers:])
	}
	return kept, true
}

// ends reports whether b is a TCP segment that opens or closes a connection.
func (f *frame) ends(b []byte) bool {
	const finSynRst = 0x07
	return (f.kind == kindHTTP || f.kind == kindISCSI) && b[etherLen+int(b[etherLen]&0xf)*4+13]&finSynRst != 0
}

// responseHead is how much of a response is its head. Where its end is not
// seen only the status line is: what follows could be anything.
func responseHead(b []byte) int {
	if !bytes.HasPrefix(b, []byte("HTTP/1.")) {
		return 0
	}
	for _, end := range []string{"\r\n\r\n", "\r\n"} {
		if i := bytes.Index(b, []byte(end)); i >= 0 {
			return i + len(end)
		}
	}
	return 0
}

// messageLen is the length of the iSCSI message that a segment is; 0: it is
// none, or none that is kept. The length in its header and the segment's own
// must agree, so that no data of disks is taken for a message.
func messageLen(b []byte) int {
	if len(b) < pduLen || b[4] != 0 || !headed(binary.BigEndian.Uint32(b)) {
		return 0
	}
	data := int(b[5])<<16 | int(b[6])<<8 | int(b[7])
	if pduLen+(data+3)&^3 != len(b) {
		return 0
	}
	return len(b)
}

func headed(head uint32) bool {
	for _, h := range pduHeads {
		if head&h.mask == h.value {
			return true
		}
	}
	return false
}

// hideProof writes zeros over the digits of each CHAP_R of an iSCSI message.
func hideProof(message []byte) {
	if len(message) < pduLen {
		return
	}
	for _, pair := range bytes.Split(message[pduLen:], []byte{0}) {
		proof, found := bytes.CutPrefix(pair, []byte("CHAP_R="))
		if !found {
			continue
		}
		for i := min(2, len(proof)); i < len(proof); i++ { // after 0x or 0b
			proof[i] = '0'
		}
	}
}

// complaintLen is the length of an ICMP message with no more of the packet that
// it is about than its headers up to the ports (RFC 792).
func complaintLen(b []byte) int {
	inner := b[icmpLen:]
	if len(inner) < ipv4Len {
		return len(b)
	}
	return min(len(b), icmpLen+int(inner[0]&0xf)*4+8)
}
