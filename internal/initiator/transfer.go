package initiator

import (
	"bootes.dev/internal/iscsi/pdu"
)

// encode puts a command and its unsolicited data into the batch. mu is held.
func (s *Session) encode(sl *slot) error {
	c, g := sl.cmd, &s.got
	p := &s.out.req
	*p = pdu.SCSICommand{
		Final: true, Read: len(c.In) > 0, Write: len(c.Out) > 0, Attr: c.Attr, LUN: pdu.LUNField(c.LUN), ITT: sl.tag,
		Expected: uint32(len(c.In) + len(c.Out)), CmdSN: s.cmdSN, ExpStatSN: s.expStatSN, CDB: c.CDB,
	}
	if p.Attr == 0 {
		p.Attr = pdu.AttrSimple
	}
	sl.cmdSN = s.cmdSN
	s.cmdSN++
	unsolicited := min(len(c.Out), g.FirstBurst)
	if g.ImmediateData {
		p.DataLength = min(unsolicited, g.MaxData)
	}
	if g.InitialR2T {
		unsolicited = p.DataLength
	}
	p.Final = p.DataLength == unsolicited
	if err := s.out.put(p, c.Out[:p.DataLength], sl); err != nil {
		return err
	}
	return s.dataOut(sl, p.DataLength, unsolicited, pdu.NoTag)
}

// dataOut puts the Data-Outs for c.Out[from:to] into the batch. mu is held.
func (s *Session) dataOut(sl *slot, from, to int, ttt uint32) error {
	p := &s.out.data
	*p = pdu.DataOut{LUN: pdu.LUNField(sl.cmd.LUN), ITT: sl.tag, TTT: ttt, ExpStatSN: s.expStatSN}
	for from < to {
		n := min(to-from, s.got.MaxData)
		p.DataLength, p.Offset, p.Final = n, uint32(from), from+n == to
		if err := s.out.put(p, sl.cmd.Out[from:from+n], sl); err != nil {
			return err
		}
		p.DataSN++
		from += n
	}
	return nil
}

func (s *Session) answerR2T(rx *receiver) error {
	p := &rx.r2t
	if err := p.UnmarshalBinary(rx.head[:]); err != nil {
		return err
	}
	sl, err := s.find(p.ITT, scsiCommand)
	if err != nil {
		return err
	}
	if err := s.advance(p.Sequence, false); err != nil {
		return err
	}
	end := int64(p.Offset) + int64(p.Length)
	switch {
	case p.Length == 0 || end > int64(len(sl.cmd.Out)) || int(p.Length) > s.got.MaxBurst:
		return broken("R2T for %d bytes at %d of %d", p.Length, p.Offset, len(sl.cmd.Out))
	case p.R2TSN != sl.dataSN:
		return broken("R2TSN %d where %d was expected", p.R2TSN, sl.dataSN)
	}
	sl.dataSN++
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dataOut(sl, int(p.Offset), int(end), p.TTT)
}

// dataIn receives a Data-In into its command's buffer.
func (s *Session) dataIn(rx *receiver) error {
	p := &rx.in
	if err := p.UnmarshalBinary(rx.head[:]); err != nil {
		return err
	}
	sl, err := s.find(p.ITT, scsiCommand)
	if err != nil {
		return err
	}
	c := sl.cmd
	switch {
	case int(p.Offset) != sl.moved || p.DataLength > len(c.In)-sl.moved:
		return broken("Data-In of %d bytes at %d of %d, expected at %d", p.DataLength, p.Offset, len(c.In), sl.moved)
	case p.DataSN != sl.dataSN:
		return broken("DataSN %d where %d was expected", p.DataSN, sl.dataSN)
	}
	if err := s.data(rx, c.In[sl.moved:sl.moved+p.DataLength]); err != nil {
		return err
	}
	sl.dataSN++
	sl.moved += p.DataLength
	if err := s.advance(p.Sequence, p.HasStatus); err != nil || !p.HasStatus {
		return err
	}
	c.Result.Status = p.Status
	return s.over(sl, p.Overflow, p.Underflow, p.Residual)
}

func (s *Session) scsiResponse(rx *receiver, data []byte) error {
	p := &rx.resp
	if err := p.UnmarshalBinary(rx.head[:]); err != nil {
		return err
	}
	sl, err := s.find(p.ITT, scsiCommand)
	if err == nil {
		err = s.advance(p.Sequence, true)
	}
	if err != nil {
		return err
	}
	r := &sl.cmd.Result
	switch {
	case p.Response != 0:
		return broken("response code %02x to a command", p.Response)
	case p.ExpDataSN != sl.dataSN && p.ExpDataSN != 0: // tgt says 0, always
		return broken("ExpDataSN %d after %d Data-Ins and R2Ts", p.ExpDataSN, sl.dataSN)
	}
	r.Status = p.Status
	if len(data) >= 2 { // SenseLength and sense (RFC 7143, 11.4.7)
		n := min(int(data[0])<<8|int(data[1]), len(data)-2)
		r.senseLen = uint8(copy(r.sense[:], data[2:2+n]))
	}
	return s.over(sl, p.Overflow, p.Underflow, p.Residual)
}

// over ends a command that has its status.
func (s *Session) over(sl *slot, overflow, underflow bool, residual uint32) error {
	c := sl.cmd
	r := &c.Result
	r.Moved = sl.moved
	switch {
	case overflow && underflow:
		return broken("both overflow and underflow")
	case overflow:
		r.Residual = int(residual)
	case underflow:
		r.Residual = -int(residual)
	}
	if missing := len(c.In) - sl.moved; r.Status == StatusGood && !overflow && missing != -r.Residual && len(c.In) > 0 {
		return broken("%d bytes are missing from a READ, residual %d", missing, r.Residual)
	}
	s.complete(sl)
	return nil
}
