package scsi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"bootes.dev/internal/block"
)

// Status is the SCSI status byte (SAM-5, 5.3).
type Status byte

// Statuses.
const (
	Good           Status = 0x00
	CheckCondition Status = 0x02
	Busy           Status = 0x08
	Conflict       Status = 0x18
	TaskSetFull    Status = 0x28
	TaskAborted    Status = 0x40
)

// Sense is why a command failed. Its zero value is success. See Status.
type Sense struct {
	Key   byte   // sense key
	Code  uint16 // additional sense code and qualifier
	Field uint16 // CDB or parameter byte at fault, with fieldInCDB or fieldInData
	At    uint64 // 1 + of MISCOMPARE the first byte of the data that differs, of MEDIUM ERROR the first block
}

const (
	fieldInCDB  = 0xc000
	fieldInData = 0x8000
	fieldMask   = 0x3fff
)

// Sense keys (SPC-4, 4.5.6).
const (
	keyMediumError    = 0x3
	keyHardwareError  = 0x4
	keyIllegalRequest = 0x5
	keyUnitAttention  = 0x6
	keyDataProtect    = 0x7
	keyCopyAborted    = 0xa
	keyAbortedCommand = 0xb
	keyMiscompare     = 0xe
)

// What goes wrong, by its names in SPC-4 and SBC-3.
var (
	invalidOpcode     = Sense{Key: keyIllegalRequest, Code: 0x2000, Field: fieldInCDB}
	lbaOutOfRange     = Sense{Key: keyIllegalRequest, Code: 0x2100}
	paramListLength   = Sense{Key: keyIllegalRequest, Code: 0x1a00}
	noUnit            = Sense{Key: keyIllegalRequest, Code: 0x2500}
	savingUnsupported = Sense{Key: keyIllegalRequest, Code: 0x3900}
	writeProtected    = Sense{Key: keyDataProtect, Code: 0x2700}
	softwareProtected = Sense{Key: keyDataProtect, Code: 0x2702}
	spaceAllocation   = Sense{Key: keyDataProtect, Code: 0x2707}
	unrecoveredRead   = Sense{Key: keyMediumError, Code: 0x1100}
	internalFailure   = Sense{Key: keyHardwareError, Code: 0x4400}
	miscompare        = Sense{Key: keyMiscompare, Code: 0x1d00}

	inlineData      = Sense{Key: keyIllegalRequest, Code: 0x260b}
	tooManyTargets  = Sense{Key: keyIllegalRequest, Code: 0x2606}
	unknownTarget   = Sense{Key: keyIllegalRequest, Code: 0x2607}
	tooManySegments = Sense{Key: keyIllegalRequest, Code: 0x2608}
	unknownSegment  = Sense{Key: keyIllegalRequest, Code: 0x2609}
	inexactSegment  = Sense{Key: keyCopyAborted, Code: 0x260a}
	copyAborted     = Sense{Key: keyCopyAborted, Code: 0x0000}
	copyUnreachable = Sense{Key: keyCopyAborted, Code: 0x0804}
	copyRefused     = Sense{Key: keyCopyAborted, Code: 0x0d01} // third party device failure

	wrongMedium    = Sense{Key: keyIllegalRequest, Code: 0x3002} // cannot read medium, incompatible format
	badRelease     = Sense{Key: keyIllegalRequest, Code: 0x2604}
	noRegistration = Sense{Key: keyIllegalRequest, Code: 0x5504}

	// conflict is no sense at all but a status of its own.
	conflict = Sense{Key: notSense, Code: uint16(Conflict)}

	// DataOutOfOrder: write data is missing or was sent unasked (RFC 7143,
	// 11.4.7.2: protocol service CRC error stands for both).
	DataOutOfOrder = Sense{Key: keyAbortedCommand, Code: 0x4705}
)

func badField(at int) Sense {
	return Sense{Key: keyIllegalRequest, Code: 0x2400, Field: fieldInCDB | uint16(at)}
}

func badParam(at int) Sense {
	return Sense{Key: keyIllegalRequest, Code: 0x2600, Field: fieldInData | uint16(at)}
}

// notSense is no sense key: the code is a Status.
const notSense = 0xff

// Status is what a command that fails with s is answered with. Sense data goes
// with CheckCondition only.
func (s Sense) Status() Status {
	switch {
	case s.OK():
		return Good
	case s.Key == notSense:
		return Status(s.Code)
	}
	return CheckCondition
}

// OK tells whether there is nothing to report.
func (s Sense) OK() bool { return s == Sense{} }

func (s Sense) String() string {
	if s.Key == notSense {
		return fmt.Sprintf("status %02xh", s.Code)
	}
	return fmt.Sprintf("%xh/%02xh/%02xh", s.Key, s.Code>>8, s.Code&0xff)
}

const (
	fixedSize = 18
	// SenseSize is the most that AppendSense appends.
	SenseSize = 8 + 12 + 8
)

// AppendSense appends s in the format that the control mode page asks for.
func (d *Disk) AppendSense(s Sense, b []byte) []byte {
	if d.modes.Load()&modeDSense != 0 {
		return s.appendDescriptors(b)
	}
	return s.appendFixed(b)
}

// appendDescriptors appends s as descriptor format sense data (SPC-4, 4.5.2).
func (s Sense) appendDescriptors(b []byte) []byte {
	b = append(b, 0x72 /* current error */, s.Key, byte(s.Code>>8), byte(s.Code), 0, 0, 0, 0)
	length := len(b) - 1
	if s.At > 0 {
		const information, size, valid = 0x00, 10, 0x80
		b = append(b, information, size, valid, 0)
		b = binary.BigEndian.AppendUint64(b, s.At-1)
	}
	if s.Field&fieldInData != 0 {
		const keySpecific, size = 0x02, 6
		b = append(b, keySpecific, size, 0, 0, byte(s.Field>>8&0xc0))
		b = binary.BigEndian.AppendUint16(b, s.Field&fieldMask)
		b = append(b, 0)
	}
	b[length] = byte(len(b) - length - 1)
	return b
}

// appendFixed appends s as fixed format sense data (SPC-4, 4.5.3).
func (s Sense) appendFixed(b []byte) []byte {
	var f [fixedSize]byte
	f[0] = 0x70 // current error
	f[2] = s.Key
	if s.At > 0 && s.At-1 <= math.MaxUint32 { // there is room for no more
		f[0] |= 0x80 // VALID
		binary.BigEndian.PutUint32(f[3:], uint32(s.At-1))
	}
	f[7] = fixedSize - 8
	binary.BigEndian.PutUint16(f[12:], s.Code)
	if s.Field&fieldInData != 0 {
		f[15] = byte(s.Field >> 8 & 0xc0)
		binary.BigEndian.PutUint16(f[16:], s.Field&fieldMask)
	}
	return append(b, f[:]...)
}

// senseOf maps what a block.Device returned, once, to SCSI's words. An
// initiator fails a write for good on DATA PROTECT with "space allocation
// failed", where it would retry a medium error.
func senseOf(err error) Sense {
	switch {
	case err == nil:
		return Sense{}
	case errors.Is(err, block.ErrNoSpace):
		return spaceAllocation
	case errors.Is(err, block.ErrReadOnly):
		return writeProtected
	case errors.Is(err, block.ErrCorrupt):
		return unrecoveredRead
	case errors.Is(err, block.ErrOutOfRange):
		return lbaOutOfRange
	}
	return internalFailure
}
