package capture

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
)

// Ports are those of our servers that the config may move.
type Ports struct{ HTTP, TFTP, ISCSI uint16 }

// How many bytes of a packet the filter lets through.
const (
	wholeSnap  = 2048 // requests and messages that matter as they are
	headerSnap = 1024 // of which the headers matter
	shortSnap  = 128
)

// fullBlocks are the block sizes that firmware and loaders ask for. A DATA packet
// of another length is likely the last of its transfer.
var fullBlocks = []uint32{512, 1024, 1400, 1408, 1428, 1432, 1456, 1468, 2048, 4096, 8192, 16384, 32768, 65464}

// Extensions of the kernel's filters that its machine in user space lacks.
var (
	skipVLAN = program{ // what is on a VLAN of an interface is another network's
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
		bpf.RetConstant{},
	}
	skipOutgoing = program{ // loopback shows each packet twice
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: packetOutgoing, SkipTrue: 1},
		bpf.RetConstant{},
	}
)

// program is a piece of a filter. Each ends with a return, or goes on with
// what follows it; what is loaded is then still loaded.
type program []bpf.Instruction

func (p program) assemble() ([]bpf.RawInstruction, error) {
	raw, err := bpf.Assemble(p)
	if err != nil {
		return nil, fmt.Errorf("assemble packet filter: %w", err)
	}
	return raw, nil
}

func join(parts ...program) (all program) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func ret(n uint32) program { return program{bpf.RetConstant{Val: n}} }

// when runs then if what is loaded is one of values.
func when(values []uint32, then program) program {
	var p program
	for i, v := range values {
		if left := len(values) - 1 - i; left > 0 {
			p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(left)})
		} else {
			p = append(p, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipFalse: uint8(len(then))})
		}
	}
	return append(p, then...)
}

func is(v uint32, then program) program { return when([]uint32{v}, then) }

// isBits runs then if any of the bits is set.
func isBits(mask uint32, then program) program {
	return append(program{bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: mask, SkipFalse: uint8(len(then))}}, then...)
}

// Loads behind an IPv4 header whose length is in X.
func behind(off, size int) bpf.Instruction {
	return bpf.LoadIndirect{Off: uint32(etherLen + off), Size: size}
}

// filter is the program that runs for each packet of an interface.
//
//	0 destination MAC, source MAC │ 12 EtherType │ 14 IPv4: 16 length │ 20 fragment │ 23 protocol
func filter(p Ports) program {
	return join(
		program{bpf.LoadAbsolute{Off: 12, Size: 2}},
		is(etherARP, ret(shortSnap)),
		is(etherIPv6, ipv6Filter()),
		program{bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherIPv4, SkipTrue: 1}}, ret(0),
		program{bpf.LoadAbsolute{Off: 20, Size: 2}}, isBits(0x1fff, ret(0)), // has no header of ours
		program{bpf.LoadMemShift{Off: etherLen}, bpf.LoadAbsolute{Off: 23, Size: 1}},
		is(protoTCP, tcpFilter(p)), // first: disks are TCP
		is(protoUDP, udpFilter(p)),
		is(protoICMP, icmpFilter()),
		ret(0),
	)
}

// ipv6Filter lets through what shows that a system lives, of which nothing is kept:
// ICMPv6, and what comes with options, as its multicast listeners' reports do; and
// what is sent to DHCPv6's servers.
//
//	IPv6: 6 next header │ 40 UDP: 2 destination
func ipv6Filter() program {
	return join(
		program{bpf.LoadAbsolute{Off: 20, Size: 1}}, when([]uint32{nextHopByHop, nextICMPv6}, ret(shortSnap)),
		program{bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoUDP, SkipTrue: 1}}, ret(0),
		program{bpf.LoadAbsolute{Off: etherLen + ipv6Len + 2, Size: 2}}, is(portDHCPv6Server, ret(headerSnap)),
		ret(0),
	)
}

func icmpFilter() program {
	return join(program{behind(0, 1)}, when([]uint32{icmpUnreachable, icmpTimeExceeded}, ret(shortSnap)), ret(0))
}

// udpFilter lets DHCP and TFTP's requests through, and of any ports what looks
// like TFTP: a server's transfers have ports of their own.
//
//	UDP: 0 source │ 2 destination │ 4 length │ 8 TFTP: operation │ 10 block
func udpFilter(p Ports) program {
	dhcp := []uint32{portDHCPServer, portDHCPClient, portPXE}
	blocks := make([]uint32, len(fullBlocks))
	for i, n := range fullBlocks {
		blocks[i] = udpLen + tftpLen + n
	}
	return join(
		program{behind(0, 2)}, when(dhcp, ret(wholeSnap)),
		program{behind(2, 2)}, when(append(dhcp, uint32(p.TFTP)), ret(wholeSnap)),
		program{behind(8, 2)}, when([]uint32{tftpERROR, tftpOACK}, ret(headerSnap)),
		program{bpf.JumpIf{Cond: bpf.JumpEqual, Val: tftpDATA, SkipTrue: 2}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: tftpACK, SkipTrue: 1}}, ret(0),
		program{behind(10, 2)}, is(1, ret(shortSnap)),
		isBits(tftpEach-1, program{bpf.Jump{Skip: 1}}), ret(shortSnap),
		program{behind(8, 2)}, is(tftpACK, ret(0)),
		program{behind(4, 2)}, when(blocks, ret(0)), ret(shortSnap),
	)
}

// tcpFilter lets the ends of connections through, requests, and what begins as a
// response or an iSCSI message does. It sees of a message only its packets' beginnings, which
// for logins, where each side waits for the other, are the message's too.
//
//	TCP: 0 source │ 2 destination │ 12 data offset │ 13 flags │ after it the payload
func tcpFilter(p Ports) program {
	const finSynRst = 0x07
	ends := join(program{behind(13, 1)}, isBits(finSynRst, ret(headerSnap)))
	payload := program{ // X = where the payload begins, less the Ethernet header
		behind(12, 1),
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.TAX{},
	}
	// By IPv4's length: short frames are padded.
	some := program{
		bpf.LoadAbsolute{Off: 16, Size: 2}, bpf.ALUOpX{Op: bpf.ALUOpSub},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 1}, bpf.RetConstant{},
	}
	request := join(ends, payload, some, ret(wholeSnap))
	response := join(ends, payload, program{behind(0, 4)}, is(0x48545450 /* HTTP */, ret(headerSnap)), ret(0))
	message := join(ends, payload, pduFilter(), ret(0))
	return join( // iSCSI first: an initiator's own port may be any, and its data is much
		program{behind(2, 2)}, is(uint32(p.ISCSI), message),
		program{behind(0, 2)}, is(uint32(p.ISCSI), message),
		program{behind(2, 2)}, is(uint32(p.HTTP), request),
		program{behind(0, 2)}, is(uint32(p.HTTP), response),
		ret(0),
	)
}

// pduFilter knows iSCSI messages, and texts, by all that is fixed in their first
// four bytes, which in data that somebody writes are seldom there by chance.
func pduFilter() program {
	// SCSI commands, responses, data and R2T are what nearly all packets begin with.
	p := join(program{behind(0, 1)}, when([]uint32{0x01, 0x05, 0x21, 0x25, 0x31, 0x40, 0x00, 0x20}, ret(0)), program{behind(0, 4), bpf.TAX{}})
	for _, h := range pduHeads {
		p = join(p, program{bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: h.mask}}, is(h.value, ret(wholeSnap)))
	}
	var texts []uint32
	for _, t := range textHeads {
		texts = append(texts, binary.BigEndian.Uint32([]byte(t)))
	}
	return join(p, program{bpf.TXA{}}, when(texts, ret(wholeSnap)))
}
