package pdu

// Stage is a phase of a connection (11.12.3).
type Stage byte

// Stages. The value 2 is reserved.
const (
	SecurityStage    Stage = 0
	OperationalStage Stage = 1
	FullFeature      Stage = 3
)

// LoginRequest negotiates by the text in its data segment (11.12).
//
//	 0 |.|1|   0x03    |T|C|. .|CSG|NSG| version max   | version min   |
//	 8 | ISID, 6 bytes                 ...             | TSIH, 2 bytes |
//	16 | ITT                                                           |
//	20 | CID                           |                               |
//	24 | CmdSN                                                         |
//	28 | ExpStatSN                                                     |
type LoginRequest struct {
	Transit                bool // wants to go from Stage to Next
	Continue               bool // the text goes on in the next request
	Stage, Next            Stage
	VersionMax, VersionMin byte
	DataLength             int
	ISID                   [6]byte
	TSIH                   uint16
	ITT                    uint32
	CID                    uint16
	CmdSN                  uint32
	ExpStatSN              uint32
}

// AppendBinary appends the header.
func (p *LoginRequest) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpLoginRequest, true, p.Transit)
	h.flag(1, flagContinue, p.Continue)
	h[1] |= byte(p.Stage&3)<<2 | byte(p.Next&3)
	h[2], h[3] = p.VersionMax, p.VersionMin
	copy(h[8:14], p.ISID[:])
	h.put16(14, p.TSIH)
	h.put32(16, p.ITT)
	h.put16(20, p.CID)
	h.put32(24, p.CmdSN)
	h.put32(28, p.ExpStatSN)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *LoginRequest) UnmarshalBinary(b []byte) error {
	if err := open(b, OpLoginRequest); err != nil {
		return err
	}
	p.Transit, p.Continue = b[1]&flagFinal != 0, b[1]&flagContinue != 0
	p.Stage, p.Next = Stage(b[1]>>2&3), Stage(b[1]&3)
	p.VersionMax, p.VersionMin, p.DataLength = b[2], b[3], dataLength(b)
	copy(p.ISID[:], b[8:14])
	p.TSIH, p.ITT, p.CID = get16(b, 14), get32(b, 16), get16(b, 20)
	p.CmdSN, p.ExpStatSN = get32(b, 24), get32(b, 28)
	return nil
}

// LoginResponse answers a login request (11.13).
//
//	 0 |. .|   0x23    |T|C|. .|CSG|NSG| version max   | version used  |
//	 8 | ISID, 6 bytes                 ...             | TSIH, 2 bytes |
//	16 | ITT                                                           |
//	24 | StatSN, ExpCmdSN, MaxCmdSN                                    |
//	36 | status class  | status detail |                               |
type LoginResponse struct {
	Transit       bool
	Continue      bool
	Stage, Next   Stage
	VersionMax    byte
	VersionActive byte
	DataLength    int
	ISID          [6]byte
	TSIH          uint16
	ITT           uint32
	Sequence
	Status uint16 // class and detail
}

// AppendBinary appends the header.
func (p *LoginResponse) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpLoginResponse, false, p.Transit)
	h.flag(1, flagContinue, p.Continue)
	h[1] |= byte(p.Stage&3)<<2 | byte(p.Next&3)
	h[2], h[3] = p.VersionMax, p.VersionActive
	copy(h[8:14], p.ISID[:])
	h.put16(14, p.TSIH)
	h.put32(16, p.ITT)
	h.sequence(p.Sequence)
	h.put16(36, p.Status)
	return h.finish(b, p.DataLength)
}

// UnmarshalBinary reads the header.
func (p *LoginResponse) UnmarshalBinary(b []byte) error {
	if err := open(b, OpLoginResponse); err != nil {
		return err
	}
	p.Transit, p.Continue = b[1]&flagFinal != 0, b[1]&flagContinue != 0
	p.Stage, p.Next = Stage(b[1]>>2&3), Stage(b[1]&3)
	p.VersionMax, p.VersionActive, p.DataLength = b[2], b[3], dataLength(b)
	copy(p.ISID[:], b[8:14])
	p.TSIH, p.ITT, p.Sequence = get16(b, 14), get32(b, 16), sequence(b)
	p.Status = get16(b, 36)
	return nil
}
