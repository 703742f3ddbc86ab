package pdu

import "hash/crc32"

// DigestSize is the length of a header or data digest in bytes.
const DigestSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Digest is a running CRC32C (RFC 7143, 13.1). Start with 0.
type Digest uint32

// Add returns the digest of what came before and p.
func (d Digest) Add(p []byte) Digest {
	return Digest(crc32.Update(uint32(d), castagnoli, p))
}

// Put writes the digest as it goes on the wire: least significant byte first.
func (d Digest) Put(b []byte) {
	b[0], b[1], b[2], b[3] = byte(d), byte(d>>8), byte(d>>16), byte(d>>24)
}

// Matches tells whether b, from the wire, holds this digest.
func (d Digest) Matches(b []byte) bool {
	return len(b) >= DigestSize &&
		b[0] == byte(d) && b[1] == byte(d>>8) && b[2] == byte(d>>16) && b[3] == byte(d>>24)
}
