package scsi

import "encoding/binary"

// CDB is a command descriptor block of 6 to 16 bytes, padded with zeros.
type CDB [16]byte

func (cdb *CDB) u16(at int) uint16 { return binary.BigEndian.Uint16(cdb[at:]) }
func (cdb *CDB) u32(at int) uint32 { return binary.BigEndian.Uint32(cdb[at:]) }
func (cdb *CDB) u64(at int) uint64 { return binary.BigEndian.Uint64(cdb[at:]) }

// Kind says how a command is served; see the package comment.
type Kind byte

// Kinds of commands.
const (
	Control Kind = iota
	Read
	Write
	Parameters
	Slow
)

// Command is a decoded CDB.
type Command struct {
	CDB  CDB
	Kind Kind

	// Length is the bytes that the command moves: of the disk for Read and
	// Write, of the parameter list for Parameters, and the allocation length
	// for Control.
	Length int64

	nexus  *Nexus
	lun    uint8
	op     *operation
	offset int64 // on the disk, in bytes
	span   int64 // on the disk, in bytes, where it is not Length
	verb   verb
	fua    bool

	preempted []ports // whose commands EndPreempted ends
}

// verb is what a Write does with its data, and what Execute does.
type verb byte

const (
	store        verb = iota
	storeCompare      // WRITE AND VERIFY
	compare           // VERIFY with BYTCHK
	compareOne        // VERIFY of one block with many
	check             // VERIFY without
	synchronize
	same
	unmap
	compareStore
	orStore
	copyBlocks
	selectModes
	reserveUnit
	reservePersistent
)

// changesBlocks tells whether the command writes.
func (c *Command) changesBlocks() bool {
	switch c.Kind {
	case Write:
		return c.verb != compare
	case Parameters, Slow:
		return c.verb == same || c.verb == unmap || c.verb == compareStore
	}
	return false
}

// Offset is where on the disk, in bytes, a Read or Write begins.
func (c *Command) Offset() int64 { return c.offset }

// Decode reads a CDB that came by nexus n, for its logical unit lun, into c. A Sense other than success
// ends the command; the data that came with it is to be dropped.
func (d *Disk) Decode(n *Nexus, lun uint8, cdb *CDB, c *Command) Sense {
	*c = Command{CDB: *cdb, nexus: n, lun: lun}
	op, s := d.operation(cdb)
	kept := s.OK() && d.conflicts(n, op, cdb)
	if kept && !n.wasReset(lun) {
		return conflict
	}
	if news := d.attention(n, c); !news.OK() {
		return news
	}
	if !s.OK() {
		return s
	}
	return d.decode(op, cdb, c)
}

// asks tells of the commands that are served where no unit is, and whatever
// else is in the way (SPC-4, 4.5 and 5.14).
func asks(code byte) bool {
	return code == opInquiry || code == opReportLUNs || code == opRequestSense
}

// operation finds the operation that a CDB asks for.
func (d *Disk) operation(cdb *CDB) (*operation, Sense) {
	op := d.commands[cdb[0]]
	if d.absent() && !asks(cdb[0]) {
		return nil, noUnit
	}
	if op == nil {
		return nil, invalidOpcode
	}
	if op.has {
		if op = op.find(cdb[serviceActionField] & serviceActionMask); op == nil {
			return nil, badField(serviceActionField)
		}
	}
	return op, Sense{}
}

func (d *Disk) decode(op *operation, cdb *CDB, c *Command) Sense {
	if cdb[len(op.usage)-1]&0x04 != 0 { // NACA: no ACA here
		return badField(len(op.usage) - 1)
	}
	c.op = op
	if s := op.decode(d, cdb, c); !s.OK() {
		return s
	}
	if c.changesBlocks() && d.flushesWrites() {
		c.fua = true
	}
	return Sense{}
}

// MaxAnswer is the most that Answer returns. Few answers are longer than
// UsualAnswer.
const (
	MaxAnswer   = 64 << 10
	UsualAnswer = 4 << 10
)

// Answer appends the data of a Control command to b, at most c.Length bytes.
func (d *Disk) Answer(c *Command, b []byte) ([]byte, Sense) {
	if c.op.answer == nil {
		return b, Sense{}
	}
	start := len(b)
	b, sense := c.op.answer(d, c, b)
	if !sense.OK() {
		return b[:start], sense
	}
	if int64(len(b)-start) > c.Length {
		b = b[:start+int(c.Length)]
	}
	return b, Sense{}
}

func decodeNothing(*Disk, *CDB, *Command) Sense { return Sense{} }

func decodeAlloc8(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb[4])
	return Sense{}
}

func decodeAlloc16(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u16(7))
	return Sense{}
}

func decodeAlloc32(_ *Disk, cdb *CDB, c *Command) Sense {
	c.Length = int64(cdb.u32(6))
	return Sense{}
}

// TakesData tells whether n bytes of data-out, the number that the initiator
// announced, suit the command. WRITE SAME, and VERIFY when it does alike, want
// exactly one block, COMPARE AND WRITE the old blocks and the new: anything else is a
// misunderstanding that would overwrite what it should not.
func (c *Command) TakesData(n int64) bool {
	switch c.verb {
	case same, compareStore, compareOne:
		return n == c.Length
	}
	return true
}

// BadDataLength is the sense for data that TakesData refused.
var BadDataLength = Sense{Key: keyIllegalRequest, Code: 0x2400}
