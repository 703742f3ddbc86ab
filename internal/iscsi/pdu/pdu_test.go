package pdu

import (
	"bytes"
	"encoding"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

type codec interface {
	AppendBinary([]byte) ([]byte, error)
	encoding.BinaryUnmarshaler
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var isid = [6]byte{0x40, 1, 2, 3, 4, 5}

// vectors are headers as they go on the wire, every field with its own value.
var vectors = []struct {
	name string
	p    codec
	hex  string
}{
	{"command", &SCSICommand{Immediate: true, Final: true, Read: true, Write: true, Attr: AttrSimple,
		DataLength: 0x010203, LUN: LUNField(1), ITT: 0x11223344, Expected: 4096, CmdSN: 7, ExpStatSN: 8,
		CDB: [16]byte{0x28, 0, 0, 0, 0, 1, 0, 0, 8}},
		`41 e1 00 00  00 010203  00010000 00000000  11223344  00001000  00000007  00000008
		 28 00 00000001 00 0008 00  00000000 0000`},
	{"response", &SCSIResponse{Overflow: true, Underflow: true, Response: 1, Status: 2, DataLength: 20, ITT: 5,
		Sequence: Sequence{1, 2, 3}, ExpDataSN: 4, Residual: 512},
		`21 86 01 02  00 000014  00000000 00000000  00000005  00000000  00000001 00000002 00000003
		 00000004  00000000  00000200`},
	{"data-out", &DataOut{Final: true, DataLength: 512, LUN: LUNField(2), ITT: 1, TTT: 2, ExpStatSN: 3, DataSN: 4, Offset: 5},
		`05 80 00 00  00 000200  00020000 00000000  00000001  00000002  00000000  00000003  00000000
		 00000004  00000005  00000000`},
	{"data-in", &DataIn{Final: true, HasStatus: true, Underflow: true, Status: 8, DataLength: 512, LUN: LUNField(2), ITT: 1,
		TTT: NoTag, Sequence: Sequence{1, 2, 3}, DataSN: 4, Offset: 5, Residual: 6},
		`25 83 00 08  00 000200  00020000 00000000  00000001  ffffffff  00000001 00000002 00000003
		 00000004  00000005  00000006`},
	{"r2t", &R2T{LUN: LUNField(3), ITT: 1, TTT: 2, Sequence: Sequence{1, 2, 3}, R2TSN: 4, Offset: 5, Length: 6},
		`31 80 00 00  00 000000  00030000 00000000  00000001  00000002  00000001 00000002 00000003
		 00000004  00000005  00000006`},
	{"task request", &TaskRequest{Immediate: true, Function: TaskLUNReset, LUN: LUNField(1), ITT: 1, RefITT: 2, CmdSN: 3,
		ExpStatSN: 4, RefCmdSN: 5, ExpDataSN: 6},
		`42 85 00 00  00 000000  00010000 00000000  00000001  00000002  00000003  00000004  00000005
		 00000006  00000000  00000000`},
	{"task response", &TaskResponse{Response: TaskNoSuchTask, ITT: 9, Sequence: Sequence{1, 2, 3}},
		`22 80 01 00  00 000000  00000000 00000000  00000009  00000000  00000001 00000002 00000003
		 00000000  00000000  00000000`},
	{"login request", &LoginRequest{Transit: true, Stage: OperationalStage, Next: FullFeature, DataLength: 5, ISID: isid,
		TSIH: 6, ITT: 7, CID: 8, CmdSN: 9, ExpStatSN: 10},
		`43 87 00 00  00 000005  400102030405 0006  00000007  0008 0000  00000009  0000000a  00000000
		 00000000  00000000  00000000`},
	{"login response", &LoginResponse{Continue: true, Stage: SecurityStage, Next: OperationalStage, VersionMax: 1, VersionActive: 2,
		DataLength: 5, ISID: isid, TSIH: 6, ITT: 7, Sequence: Sequence{1, 2, 3}, Status: 0x0201},
		`23 41 01 02  00 000005  400102030405 0006  00000007  00000000  00000001 00000002 00000003
		 0201 0000  00000000  00000000`},
	{"text request", &TextRequest{Final: true, Continue: true, DataLength: 5, LUN: 6, ITT: 7, TTT: 8, CmdSN: 9, ExpStatSN: 10},
		`04 c0 00 00  00 000005  00000000 00000006  00000007  00000008  00000009  0000000a  00000000
		 00000000  00000000  00000000`},
	{"text response", &TextResponse{Final: true, DataLength: 5, LUN: 6, ITT: 7, TTT: NoTag, Sequence: Sequence{1, 2, 3}},
		`24 80 00 00  00 000005  00000000 00000006  00000007  ffffffff  00000001 00000002 00000003
		 00000000  00000000  00000000`},
	{"nop-out", &NopOut{Immediate: true, DataLength: 5, LUN: 6, ITT: 7, TTT: NoTag, CmdSN: 9, ExpStatSN: 10},
		`40 80 00 00  00 000005  00000000 00000006  00000007  ffffffff  00000009  0000000a  00000000
		 00000000  00000000  00000000`},
	{"nop-in", &NopIn{DataLength: 5, LUN: 6, ITT: NoTag, TTT: 8, Sequence: Sequence{1, 2, 3}},
		`20 80 00 00  00 000005  00000000 00000006  ffffffff  00000008  00000001 00000002 00000003
		 00000000  00000000  00000000`},
	{"async message", &AsyncMessage{DataLength: 20, LUN: LUNField(1), Sequence: Sequence{1, 2, 3}, Event: AsyncLogout, VCode: 4,
		Parameter1: 5, Parameter2: 6, Parameter3: 7},
		`32 80 00 00  00 000014  00010000 00000000  ffffffff  00000000  00000001 00000002 00000003
		 01 04 0005  0006 0007  00000000`},
	{"logout request", &LogoutRequest{Immediate: true, Reason: LogoutConnection, ITT: 7, CID: 8, CmdSN: 9, ExpStatSN: 10},
		`46 81 00 00  00 000000  00000000 00000000  00000007  0008 0000  00000009  0000000a  00000000
		 00000000  00000000  00000000`},
	{"logout response", &LogoutResponse{Response: LogoutNoConnection, ITT: 7, Sequence: Sequence{1, 2, 3}, Time2Wait: 4, Time2Retain: 5},
		`26 80 01 00  00 000000  00000000 00000000  00000007  00000000  00000001 00000002 00000003
		 00000000  0004 0005  00000000`},
	{"reject", &Reject{Reason: RejectProtocolError, DataLength: 48, Sequence: Sequence{1, 2, 3}},
		`3f 80 04 00  00 000030  00000000 00000000  ffffffff  00000000  00000001 00000002 00000003
		 00000000  00000000  00000000`},
}

func fresh(p codec) codec { return reflect.New(reflect.TypeOf(p).Elem()).Interface().(codec) }

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			want := unhex(t, v.hex)
			got, err := v.p.AppendBinary([]byte{0xaa})
			if err != nil || !bytes.Equal(got[1:], want) {
				t.Fatalf("encode:\n got % x (%v)\nwant % x", got[1:], err, want)
			}
			back := fresh(v.p)
			if err := back.UnmarshalBinary(want); err != nil || !reflect.DeepEqual(back, v.p) {
				t.Errorf("decode:\n got %+v (%v)\nwant %+v", back, err, v.p)
			}
			if err := back.UnmarshalBinary(want[:47]); err == nil {
				t.Error("decoded 47 bytes")
			}
			want[0] ^= 0x0e
			if err := back.UnmarshalBinary(want); err == nil {
				t.Error("decoded a wrong opcode")
			}
		})
	}
}

func TestTooMuchData(t *testing.T) {
	p := &NopIn{DataLength: MaxDataLength + 1}
	if _, err := p.AppendBinary(nil); err == nil {
		t.Error("encoded a data segment of 2^24 bytes")
	}
}

func TestHeader(t *testing.T) {
	var h Header
	if err := h.UnmarshalBinary(unhex(t, vectors[0].hex)); err != nil {
		t.Fatal(err)
	}
	want := Header{Opcode: OpSCSICommand, Immediate: true, Final: true, DataLength: 0x010203, ITT: 0x11223344}
	if h != want {
		t.Errorf("got %+v, want %+v", h, want)
	}
	if h.UnmarshalBinary(make([]byte, 47)) == nil {
		t.Error("decoded 47 bytes")
	}
}

func TestLUN(t *testing.T) {
	for _, c := range []struct {
		field uint64
		lun   uint16
		ok    bool
	}{
		{0, 0, true},
		{0x0005_0000_0000_0000, 5, true},
		{0x4005_0000_0000_0000, 5, true},
		{0x4105_0000_0000_0000, 0x105, true},
		{0x0105_0000_0000_0000, 0, false}, // bus 1
		{0x0000_0001_0000_0000, 0, false}, // second level
		{0xc101_0000_0000_0000, 0, false}, // well known
	} {
		lun, ok := LUN(c.field)
		if ok != c.ok || ok && lun != c.lun {
			t.Errorf("LUN(%016x) = %d, %v; want %d, %v", c.field, lun, ok, c.lun, c.ok)
		}
	}
	if lun, ok := LUN(LUNField(7)); lun != 7 || !ok {
		t.Error("LUNField(7) does not come back")
	}
}

// The examples of RFC 7143, appendix B.4 (CRC examples).
func TestDigest(t *testing.T) {
	ones := bytes.Repeat([]byte{0xff}, 32)
	for _, c := range []struct {
		data []byte
		wire string
	}{{make([]byte, 32), "aa 36 91 8a"}, {ones, "43 ab a8 62"}} {
		var b [4]byte
		d := Digest(0).Add(c.data[:10]).Add(c.data[10:])
		d.Put(b[:])
		if !bytes.Equal(b[:], unhex(t, c.wire)) || !d.Matches(b[:]) {
			t.Errorf("digest % x, want %s", b, c.wire)
		}
		b[3] ^= 1
		if d.Matches(b[:]) || d.Matches(b[:3]) {
			t.Error("a wrong digest matches")
		}
	}
}

func TestParseText(t *testing.T) {
	for _, c := range []struct {
		text string
		want []KeyValue // nil: an error
	}{
		{"A=1\x00Bc=\x00", []KeyValue{{"A", "1"}, {"Bc", ""}}},
		{"A=1=2", []KeyValue{{"A", "1=2"}}},
		{"A=1\x00\x00\x00", []KeyValue{{"A", "1"}}},
		{"X-com.example=1\x00", []KeyValue{{"X-com.example", "1"}}},
		{"A\x00", nil},
		{"=1\x00", nil},
		{"a=1\x00", nil},
		{"A b=1\x00", nil},
		{"A=1\x00A=2\x00", nil},
		{"A" + strings.Repeat("b", 63) + "=1\x00", nil},
		{"A=" + strings.Repeat("b", 8193) + "\x00", nil},
	} {
		got, err := ParseText([]byte(c.text))
		if (err != nil) != (c.want == nil) || err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("ParseText(%.30q) = %q, %v", c.text, got, err)
		}
	}
}
