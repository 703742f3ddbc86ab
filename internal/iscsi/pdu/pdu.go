// Package pdu encodes and decodes the protocol data units of iSCSI
// (RFC 7143, section 11): their 48-byte headers, the text of login and text
// requests, and the CRC32C digests.
//
// On the wire a PDU is
//
//	+------------------------+
//	| basic header, 48 bytes |
//	+------------------------+
//	| additional headers     |  AHSLength bytes, a multiple of 4
//	+------------------------+
//	| header digest          |  4 bytes, if negotiated
//	+------------------------+
//	| data segment           |  DataLength bytes, padded with zeros to 4
//	+------------------------+
//	| data digest            |  4 bytes, if negotiated and DataLength > 0
//	+------------------------+
//
// and every basic header begins alike (numbers are big-endian):
//
//	     0               1               2               3
//	 0 |.|I| opcode    |F| opcode-specific fields                      |
//	 4 | AHSLength/4   | DataLength                                    |
//	 8 | LUN or opcode-specific fields                                 |
//	12 |                                                               |
//	16 | ITT, initiator task tag                                       |
//	20 | opcode-specific fields, to byte 47                            |
//
// There is one struct per PDU, with the drawing of what is its own. A struct
// covers the basic header only; whoever frames the PDU moves the data.
// Reserved fields are written as zeros and ignored when read, as the standard
// says. Requests come from the initiator, responses from the target; both
// directions are here for both sides, so that tests can be either.
package pdu

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// HeaderSize is the length of a basic header segment in bytes.
const HeaderSize = 48

// MaxDataLength is the longest data segment a header can announce.
const MaxDataLength = 1<<24 - 1

// NoTag is the reserved value of task and transfer tags.
const NoTag = 0xffffffff

// Opcode says which PDU a header is.
type Opcode byte

// Opcodes (RFC 7143, 11.2.1.2).
const (
	OpNopOut        Opcode = 0x00
	OpSCSICommand   Opcode = 0x01
	OpTaskRequest   Opcode = 0x02
	OpLoginRequest  Opcode = 0x03
	OpTextRequest   Opcode = 0x04
	OpDataOut       Opcode = 0x05
	OpLogoutRequest Opcode = 0x06
	OpSNACK         Opcode = 0x10

	OpNopIn          Opcode = 0x20
	OpSCSIResponse   Opcode = 0x21
	OpTaskResponse   Opcode = 0x22
	OpLoginResponse  Opcode = 0x23
	OpTextResponse   Opcode = 0x24
	OpDataIn         Opcode = 0x25
	OpLogoutResponse Opcode = 0x26
	OpR2T            Opcode = 0x31
	OpAsync          Opcode = 0x32
	OpReject         Opcode = 0x3f
)

// ErrShort: fewer than HeaderSize bytes were given.
var ErrShort = errors.New("iSCSI header is shorter than 48 bytes")

// Header is what all PDUs have in common.
type Header struct {
	Opcode     Opcode
	Immediate  bool // delivered at once, outside of the CmdSN order
	Final      bool // F, or T in login PDUs
	AHSLength  int  // bytes
	DataLength int  // bytes, without padding
	ITT        uint32
}

// UnmarshalBinary reads the common fields of any header.
func (h *Header) UnmarshalBinary(b []byte) error {
	if len(b) < HeaderSize {
		return ErrShort
	}
	h.Opcode = Opcode(b[0] & 0x3f)
	h.Immediate = b[0]&flagImmediate != 0
	h.Final = b[1]&flagFinal != 0
	h.AHSLength = int(b[4]) * 4
	h.DataLength = dataLength(b)
	h.ITT = binary.BigEndian.Uint32(b[16:])
	return nil
}

// Sequence is the numbering that every PDU from the target carries.
type Sequence struct {
	StatSN   uint32
	ExpCmdSN uint32
	MaxCmdSN uint32
}

const (
	flagImmediate = 0x40 // byte 0
	flagFinal     = 0x80 // byte 1
	flagContinue  = 0x40 // byte 1 of login and text PDUs
)

type header [HeaderSize]byte

func (h *header) put32(at int, v uint32) { binary.BigEndian.PutUint32(h[at:], v) }
func (h *header) put16(at int, v uint16) { binary.BigEndian.PutUint16(h[at:], v) }
func (h *header) put64(at int, v uint64) { binary.BigEndian.PutUint64(h[at:], v) }

func (h *header) flag(at int, bit byte, on bool) {
	if on {
		h[at] |= bit
	}
}

func (h *header) sequence(s Sequence) {
	h.put32(24, s.StatSN)
	h.put32(28, s.ExpCmdSN)
	h.put32(32, s.MaxCmdSN)
}

// finish sets the data length and appends the header to b.
func (h *header) finish(b []byte, length int) ([]byte, error) {
	if length < 0 || length > MaxDataLength {
		return b, fmt.Errorf("encode iSCSI header: data segment of %d bytes", length)
	}
	h[5], h[6], h[7] = byte(length>>16), byte(length>>8), byte(length)
	return append(b, h[:]...), nil
}

func start(op Opcode, immediate, final bool) header {
	var h header
	h[0] = byte(op)
	h.flag(0, flagImmediate, immediate)
	h.flag(1, flagFinal, final)
	return h
}

// open checks that b is a header of opcode op.
func open(b []byte, op Opcode) error {
	if len(b) < HeaderSize {
		return ErrShort
	}
	if got := Opcode(b[0] & 0x3f); got != op {
		return fmt.Errorf("decode iSCSI header: opcode %02x instead of %02x", byte(got), byte(op))
	}
	return nil
}

func dataLength(b []byte) int { return int(b[5])<<16 | int(b[6])<<8 | int(b[7]) }
func get16(b []byte, at int) uint16 {
	return binary.BigEndian.Uint16(b[at:])
}
func get32(b []byte, at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
func get64(b []byte, at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }

func sequence(b []byte) Sequence {
	return Sequence{get32(b, 24), get32(b, 28), get32(b, 32)}
}

// Pad is the number of zeros that follow a data segment of n bytes.
func Pad(n int) int { return -n & 3 }

// LUN returns the number in an 8-byte logical unit number in peripheral or
// flat addressing (SAM-5, 4.7.7), and false for the forms no target here uses.
func LUN(field uint64) (lun uint16, ok bool) {
	if field&0x0000_ffff_ffff_ffff != 0 {
		return 0, false
	}
	switch lun = uint16(field >> 48); lun >> 14 {
	case 0: // peripheral: bus identifier 0
		return lun, lun>>8 == 0
	case 1: // flat space
		return lun & 0x3fff, true
	}
	return 0, false
}

// LUNField is the wire form of lun in peripheral addressing.
func LUNField(lun uint8) uint64 { return uint64(lun) << 48 }
