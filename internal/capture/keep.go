package capture

import (
	"bytes"
	"encoding/binary"
)

// keep returns a copy of what of the frame b may be kept; false: nothing.
func (f *frame) keep(b []byte, outgoing bool) ([]byte, bool) {
	n := len(f.payload)
	switch f.kind {
	case kindHTTP:
		if outgoing {
			n = responseHead(f.payload)
		}
	case kindISCSI:
		if !f.text {
			n = messageLen(f.payload)
		}
	case kindTFTP:
		if binary.BigEndian.Uint16(f.payload) == tftpDATA {
			n = tftpLen
		}
	case kindICMP:
		n = complaintLen(f.payload)
	}
	if n == 0 && !f.ends() {
		return nil, false
	}
	kept := bytes.Clone(b[:f.headers+n])
	if f.kind == kindISCSI {
		hideProof(kept[f.headers:], f.text)
	}
	return kept, true
}

// ends reports whether it is a TCP segment that opens or closes a connection.
func (f *frame) ends() bool {
	const finSynRst = 0x07
	return f.flags&finSynRst != 0
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

// messageLen is the length of the iSCSI message, or its header, that a segment
// is; 0: it is none, or none that is kept. The length in its header and the
// segment's own must agree, so that no data of disks is taken for a message.
func messageLen(b []byte) int {
	if len(b) < pduLen || b[4] != 0 || !headed(binary.BigEndian.Uint32(b)) {
		return 0
	}
	if len(b) == pduLen || long(b[pduLen:], textLen(b)) {
		return len(b)
	}
	return 0
}

// textLen is the length of a message's text, as its header says.
func textLen(head []byte) int { return int(head[5])<<16 | int(head[6])<<8 | int(head[7]) }

// long reports whether a text has a length, with padding or without.
func long(text []byte, n int) bool { return len(text) == n || len(text) == (n+3)&^3 }

func headed(head uint32) bool {
	for _, h := range pduHeads {
		if head&h.mask == h.value {
			return true
		}
	}
	return false
}

// hideProof writes zeros over the digits of each CHAP_R of an iSCSI message, or of
// its text alone.
func hideProof(b []byte, text bool) {
	if !text {
		b = b[min(pduLen, len(b)):]
	}
	for _, pair := range bytes.Split(b, []byte{0}) {
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
