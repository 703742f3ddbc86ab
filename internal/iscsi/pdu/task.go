package pdu

// Task management functions (11.5.1).
const (
	TaskAbortTask       = 1
	TaskAbortTaskSet    = 2
	TaskClearACA        = 3
	TaskClearTaskSet    = 4
	TaskLUNReset        = 5
	TaskTargetWarmReset = 6
	TaskTargetColdReset = 7
	TaskReassign        = 8
)

// Responses to task management (11.6.1).
const (
	TaskComplete       = 0
	TaskNoSuchTask     = 1
	TaskNoSuchLUN      = 2
	TaskStillAllegiant = 3
	TaskNoReassignment = 4
	TaskNotSupported   = 5
	TaskRejected       = 255
)

// TaskRequest asks to end tasks (11.5).
//
//	 0 |.|I|   0x02    |1| function    |                               |
//	 8 | LUN                                                           |
//	16 | ITT                                                           |
//	20 | ITT of the task that is meant, or NoTag                       |
//	24 | CmdSN                                                         |
//	28 | ExpStatSN                                                     |
//	32 | RefCmdSN                                                      |
//	36 | ExpDataSN                                                     |
type TaskRequest struct {
	Immediate bool
	Function  byte
	LUN       uint64
	ITT       uint32
	RefITT    uint32
	CmdSN     uint32
	ExpStatSN uint32
	RefCmdSN  uint32
	ExpDataSN uint32
}

// AppendBinary appends the header.
func (p *TaskRequest) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpTaskRequest, p.Immediate, true)
	h[1] |= p.Function & 0x7f
	h.put64(8, p.LUN)
	h.put32(16, p.ITT)
	h.put32(20, p.RefITT)
	h.put32(24, p.CmdSN)
	h.put32(28, p.ExpStatSN)
	h.put32(32, p.RefCmdSN)
	h.put32(36, p.ExpDataSN)
	return h.finish(b, 0)
}

// UnmarshalBinary reads the header.
func (p *TaskRequest) UnmarshalBinary(b []byte) error {
	if err := open(b, OpTaskRequest); err != nil {
		return err
	}
	p.Immediate, p.Function = b[0]&flagImmediate != 0, b[1]&0x7f
	p.LUN, p.ITT, p.RefITT = get64(b, 8), get32(b, 16), get32(b, 20)
	p.CmdSN, p.ExpStatSN = get32(b, 24), get32(b, 28)
	p.RefCmdSN, p.ExpDataSN = get32(b, 32), get32(b, 36)
	return nil
}

// TaskResponse is sent when the tasks meant have ended (11.6).
//
//	 0 |. .|   0x22    |1|             | response      |               |
//	16 | ITT                                                           |
//	24 | StatSN, ExpCmdSN, MaxCmdSN                                    |
type TaskResponse struct {
	Response byte
	ITT      uint32
	Sequence
}

// AppendBinary appends the header.
func (p *TaskResponse) AppendBinary(b []byte) ([]byte, error) {
	h := start(OpTaskResponse, false, true)
	h[2] = p.Response
	h.put32(16, p.ITT)
	h.sequence(p.Sequence)
	return h.finish(b, 0)
}

// UnmarshalBinary reads the header.
func (p *TaskResponse) UnmarshalBinary(b []byte) error {
	if err := open(b, OpTaskResponse); err != nil {
		return err
	}
	p.Response, p.ITT, p.Sequence = b[2], get32(b, 16), sequence(b)
	return nil
}
