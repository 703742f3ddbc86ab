package pdu

// Events of an Async Message (11.9.1).
const (
	AsyncSCSI           = 0
	AsyncLogout         = 1 // the target asks for a logout within Parameter3 seconds
	AsyncDropConnection = 2
	AsyncDropSession    = 3
	AsyncNegotiation    = 4
)

// AsyncMessage tells what the initiator did not ask for (11.9). It uses up a
// StatSN.
//
//	 0 |. .|   0x32    |1|                                             |
//	 8 | LUN                                                           |
//	16 | NoTag                                                         |
//	24 | StatSN, ExpCmdSN, MaxCmdSN                                    |
//	36 | AsyncEvent    | AsyncVCode    | Parameter1                    |
//	40 | Parameter2                    | Parameter3                    |
type AsyncMessage struct {
	DataLength int
	LUN        uint64
	Sequence
	Event, VCode byte
	Parameter1   uint16
	Parameter2   uint16
	Parameter3   uint16
}

// AppendBinary appends the header.
func (p *AsyncMessage) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpAsync, false, true)
	h.put64(8, p.LUN)
	h.put32(16, NoTag)
	h.sequence(p.Sequence)
	h[36], h[37] = p.Event, p.VCode
	h.put16(38, p.Parameter1)
	h.put16(40, p.Parameter2)
	h.put16(42, p.Parameter3)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *AsyncMessage) UnmarshalBinary(b []byte) error {
	if err := open(b, OpAsync); err != nil {
		return err
	}
	p.DataLength, p.LUN, p.Sequence = dataLength(b), get64(b, 8), sequence(b)
	p.Event, p.VCode = b[36], b[37]
	p.Parameter1, p.Parameter2, p.Parameter3 = get16(b, 38), get16(b, 40), get16(b, 42)
	return nil
}
