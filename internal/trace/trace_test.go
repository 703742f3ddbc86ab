package trace

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var sample = Trace{
	Image: "debian:12", Layer: "l-1", Machine: "pc01", Began: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Size: 4 << 30,
	Marks: []Mark{{At: 2 * time.Second, Text: "the system logs in"}, {At: 3 * time.Second, Text: "runs"}},
	Reads: []Read{
		{Length: 512},
		{At: time.Millisecond, Offset: 1 << 20, Length: 64 << 10},
		{At: time.Second, Offset: 1<<20 + 32<<10, Length: 64 << 10},
		{At: 3 * time.Second, Offset: 3 << 30, Length: 1 << 20},
	},
}

func TestTrace(t *testing.T) {
	if took, bytes, distinct := sample.Took(), sample.Bytes(), sample.Distinct(); took != 3*time.Second ||
		bytes != 512+128<<10+1<<20 || distinct != 512+96<<10+1<<20 {
		t.Errorf("%v, %d bytes, %d distinct", took, bytes, distinct)
	}
	const want = "4 READs, 1.13 MiB of 4 GiB, 1.09 MiB of them distinct, in 3.0 s"
	if got := Sentence(&sample); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if none := new(Trace); none.Took() != 0 || none.Bytes() != 0 || none.Distinct() != 0 {
		t.Errorf("%+v", none)
	}
}

func encoded(t testing.TB, x *Trace) []byte {
	t.Helper()
	b, err := x.AppendBinary([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimPrefix(b, []byte("before"))
}

func same(a, b *Trace) bool {
	return a.Image == b.Image && a.Layer == b.Layer && a.Machine == b.Machine && a.Began.Equal(b.Began) && a.Size == b.Size &&
		a.Cut == b.Cut && slices.Equal(a.Marks, b.Marks) && slices.Equal(a.Reads, b.Reads)
}

func TestCodec(t *testing.T) {
	b := encoded(t, &sample)
	var got Trace
	if err := got.UnmarshalBinary(b); err != nil || !same(&got, &sample) {
		t.Errorf("%+v, %v", got, err)
	}
	at := bytes.LastIndexByte(b, '}') + 1
	// count, then: here, 1 sector, at once; 2047 on, 128, 1 ms later; 64 back, 128, 999 ms later; …
	want := []byte{4, 0, 1, 0, 0xfe, 0x1f, 0x80, 1, 0xe8, 7, 0x7f, 0x80, 1, 0xd8, 0xfc, 0x3c}
	if !bytes.HasPrefix(b[at:], want) {
		t.Errorf("% x, want % x…", b[at:], want)
	}

	long := b[:len(b)-4]
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":    {nil, `no boot trace: it does not begin with "BootesT1"`},
		"other":    {[]byte(strings.Repeat("x", 40)), `no boot trace: it does not begin with "BootesT1"`},
		"changed":  {append(bytes.Clone(b[:20]), b[21:]...), "no boot trace: its checksum is wrong"},
		"short":    {summed(long[:12]), "no boot trace: it is cut short"},
		"header":   {summed([]byte(magic + "\x01x\x00")), "no boot trace: header: invalid character 'x' looking for beginning of value"},
		"missing":  {summed(long[:len(long)-3]), "no boot trace: READ 4 makes no sense"},
		"negative": {summed([]byte(magic + "\x02{}\x01\x01\x01\x00")), "no boot trace: READ 1 makes no sense"},
		"more":     {summed(append(bytes.Clone(long), 0, 0)), "no boot trace: 2 bytes follow its last READ"},
	} {
		if err := got.UnmarshalBinary(c.b); !errors.Is(err, ErrFormat) || err.Error() != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Reads that came out of order are kept as if they had come at once.
func TestCodecOrdersTimes(t *testing.T) {
	x := Trace{Reads: []Read{{At: 5 * time.Microsecond, Length: 512}, {At: 3 * time.Microsecond, Offset: 512, Length: 512}}}
	var got Trace
	if err := got.UnmarshalBinary(encoded(t, &x)); err != nil || got.Reads[1].At != 5*time.Microsecond {
		t.Errorf("%+v, %v", got, err)
	}
}
