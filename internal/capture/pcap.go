package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Packet is one packet as it was on the wire, or its beginning.
type Packet struct {
	Time   time.Time
	Length int // on the wire
	Data   []byte
}

// A file of packets, as Wireshark and tcpdump read it (draft-ietf-opsawg-pcap).
// It is written here because it is this little: a header, and one before each
// packet. All numbers are little-endian.
//
//	0 │ magic a1b23c4d: nanoseconds │ 4 version 2, 4 │ 8 zeros │ 16 most of a packet │ 20 link type 1: Ethernet
//	0 │ seconds │ 4 nanoseconds │ 8 length here │ 12 length on the wire │ 16 the packet
const (
	pcapMagic    = 0xa1b23c4d
	pcapHeader   = 24
	pcapRecord   = 16
	pcapMost     = 65535
	pcapLinkType = 1
	pcapMajor    = 2
	pcapMinor    = 4
)

// ErrTorn: the file ends within a packet. What comes before it is good.
var ErrTorn = errors.New("the file ends within a packet")

// AppendHeader appends what a file begins with.
func AppendHeader(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, pcapMagic)
	b = binary.LittleEndian.AppendUint16(b, pcapMajor)
	b = binary.LittleEndian.AppendUint16(b, pcapMinor)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, pcapMost)
	return binary.LittleEndian.AppendUint32(b, pcapLinkType)
}

// AppendPacket appends a packet.
func AppendPacket(b []byte, p Packet) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Time.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Time.Nanosecond()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Data)))
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Length))
	return append(b, p.Data...)
}

// ReadPackets reads a file that was written here. With ErrTorn, it returns the
// packets that are whole. They refer to b.
func ReadPackets(b []byte) (all []Packet, err error) {
	if len(b) < pcapHeader || string(b[:pcapHeader]) != string(AppendHeader(nil)) {
		return nil, errors.New("read packets: no pcap file of Boötes")
	}
	for b = b[pcapHeader:]; len(b) > 0; {
		if len(b) < pcapRecord {
			return all, fmt.Errorf("read packets: %w", ErrTorn)
		}
		n, length := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
		switch {
		case n > length || n > pcapMost || length > 1<<20:
			return all, fmt.Errorf("read packets: a packet says that %d bytes of its %d are here", n, length)
		case len(b) < pcapRecord+int(n):
			return all, fmt.Errorf("read packets: %w", ErrTorn)
		}
		sec, nsec := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		if nsec >= 1e9 {
			return all, fmt.Errorf("read packets: a packet's time has %d nanoseconds", nsec)
		}
		all = append(all, Packet{Time: time.Unix(int64(sec), int64(nsec)), Length: int(length), Data: b[pcapRecord : pcapRecord+n]})
		b = b[pcapRecord+n:]
	}
	return all, nil
}

// File is packets as a file; nil: there are none.
func File(packets []Packet) []byte {
	if len(packets) == 0 {
		return nil
	}
	b := AppendHeader(nil)
	for _, p := range packets {
		b = AppendPacket(b, p)
	}
	return b
}
