package pdu

// DataOut carries write data, asked for by an R2T or unsolicited (11.7).
//
//	 0 |. .|   0x05    |F|                                             |
//	 8 | LUN                                                           |
//	16 | ITT                                                           |
//	20 | TTT of the R2T, or NoTag                                      |
//	28 | ExpStatSN                                                     |
//	36 | DataSN                                                        |
//	40 | buffer offset                                                 |
type DataOut struct {
	Final      bool // last of its burst
	DataLength int
	LUN        uint64
	ITT, TTT   uint32
	ExpStatSN  uint32
	DataSN     uint32
	Offset     uint32
}

// AppendBinary appends the header.
func (p *DataOut) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpDataOut, false, p.Final)
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.TTT)
	h.put32(28, p.ExpStatSN)
	h.put32(36, p.DataSN)
	h.put32(40, p.Offset)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *DataOut) UnmarshalBinary(b []byte) error {
	if err := open(b, OpDataOut); err != nil {
		return err
	}
	p.Final, p.DataLength = b[1]&flagFinal != 0, dataLength(b)
	p.LUN, p.ITT, p.TTT = get64(b, 8), get32(b, 16), get32(b, 20)
	p.ExpStatSN, p.DataSN, p.Offset = get32(b, 28), get32(b, 36), get32(b, 40)
	return nil
}

// DataIn carries read data and, in the last one, the status (11.7).
//
//	 0 |. .|   0x25    |F|A|. . .|O|U|S| reserved      | status if S   |
//	 8 | LUN                                                           |
//	16 | ITT                                                           |
//	20 | TTT                                                           |
//	24 | StatSN (if S), ExpCmdSN, MaxCmdSN                             |
//	36 | DataSN                                                        |
//	40 | buffer offset                                                 |
//	44 | residual (if S)                                               |
type DataIn struct {
	Final               bool // last of its burst
	HasStatus           bool
	Overflow, Underflow bool
	Status              byte
	DataLength          int
	LUN                 uint64
	ITT, TTT            uint32
	Sequence
	DataSN   uint32
	Offset   uint32
	Residual uint32
}

// AppendBinary appends the header.
func (p *DataIn) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpDataIn, false, p.Final)
	h.flag(1, 0x04, p.Overflow)
	h.flag(1, 0x02, p.Underflow)
	h.flag(1, 0x01, p.HasStatus)
	h[3] = p.Status
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.TTT)
	h.sequence(p.Sequence)
	h.put32(36, p.DataSN)
	h.put32(40, p.Offset)
	h.put32(44, p.Residual)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *DataIn) UnmarshalBinary(b []byte) error {
	if err := open(b, OpDataIn); err != nil {
		return err
	}
	p.Final, p.HasStatus = b[1]&flagFinal != 0, b[1]&0x01 != 0
	p.Overflow, p.Underflow = b[1]&0x04 != 0, b[1]&0x02 != 0
	p.Status, p.DataLength = b[3], dataLength(b)
	p.LUN, p.ITT, p.TTT, p.Sequence = get64(b, 8), get32(b, 16), get32(b, 20), sequence(b)
	p.DataSN, p.Offset, p.Residual = get32(b, 36), get32(b, 40), get32(b, 44)
	return nil
}

// R2T asks for one burst of write data (11.8).
//
//	 0 |. .|   0x31    |1|                                             |
//	 8 | LUN                                                           |
//	16 | ITT                                                           |
//	20 | TTT                                                           |
//	24 | StatSN (the next), ExpCmdSN, MaxCmdSN                         |
//	36 | R2TSN                                                         |
//	40 | buffer offset                                                 |
//	44 | desired length                                                |
type R2T struct {
	LUN      uint64
	ITT, TTT uint32
	Sequence
	R2TSN  uint32
	Offset uint32
	Length uint32 // bytes, never 0
}

// AppendBinary appends the header.
func (p *R2T) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpR2T, false, true)
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.TTT)
	h.sequence(p.Sequence)
	h.put32(36, p.R2TSN)
	h.put32(40, p.Offset)
	h.put32(44, p.Length)
	return h.finish(b, 0)
}

// UnmarshalBinary reads the header.
func (p *R2T) UnmarshalBinary(b []byte) error {
	if err := open(b, OpR2T); err != nil {
		return err
	}
	p.LUN, p.ITT, p.TTT, p.Sequence = get64(b, 8), get32(b, 16), get32(b, 20), sequence(b)
	p.R2TSN, p.Offset, p.Length = get32(b, 36), get32(b, 40), get32(b, 44)
	return nil
}
