package trace

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// A file is a few bytes for each READ:
//
//	magic     8 bytes, "BootesT1"
//	length    uvarint, of the header
//	header    JSON, the fields of Trace
//	count     uvarint, of READs
//	READs     each three varints: where it begins from the end of the one
//	          before, in sectors, zigzag; how many sectors it has; how many
//	          microseconds it came after the one before
//	checksum  4 bytes, CRC-32C of all before it, big endian
const magic = "BootesT1"

const (
	sector = 512
	// leastRead is the fewest bytes that a READ takes in a file.
	leastRead = 3
	// maxSector is the last one that an offset of int64 bytes can reach.
	maxSector = 1<<63/sector - 1
	// maxRead is more sectors than one READ can ask for.
	maxRead = 1 << 32
	// maxStep is more microseconds than a recording lasts.
	maxStep = 1 << 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrFormat is what UnmarshalBinary's errors are.
var ErrFormat = errors.New("no boot trace")

// AppendBinary appends t as a file has it.
func (t *Trace) AppendBinary(b []byte) ([]byte, error) {
	header, err := json.Marshal(t)
	if err != nil {
		return b, fmt.Errorf("encode trace: %w", err)
	}
	start := len(b)
	b = append(b, magic...)
	b = binary.AppendUvarint(b, uint64(len(header)))
	b = append(b, header...)
	b = binary.AppendUvarint(b, uint64(len(t.Reads)))
	end, at := int64(0), int64(0)
	for _, r := range t.Reads {
		now := max(r.At.Microseconds(), at) // several sessions may have come out of order
		b = binary.AppendVarint(b, r.Offset/sector-end)
		b = binary.AppendUvarint(b, uint64(r.Length/sector))
		b = binary.AppendUvarint(b, uint64(now-at))
		end, at = (r.Offset+r.Length)/sector, now
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli)), nil
}

// UnmarshalBinary reads what AppendBinary wrote.
func (t *Trace) UnmarshalBinary(b []byte) error {
	const sum = 4
	if len(b) < len(magic)+sum || string(b[:len(magic)]) != magic {
		return fmt.Errorf("%w: it does not begin with %q", ErrFormat, magic)
	}
	body := b[:len(b)-sum]
	if binary.BigEndian.Uint32(b[len(body):]) != crc32.Checksum(body, castagnoli) {
		return fmt.Errorf("%w: its checksum is wrong", ErrFormat)
	}
	d := decoder{b: body[len(magic):]}
	header := d.bytes(d.uvarint(uint64(len(d.b))))
	count := d.uvarint(uint64(len(d.b) / leastRead))
	*t = Trace{}
	if d.bad {
		return fmt.Errorf("%w: it is cut short", ErrFormat)
	}
	if err := json.Unmarshal(header, t); err != nil {
		return fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	t.Reads = make([]Read, 0, count)
	end, at := int64(0), int64(0)
	for range count {
		first := end + d.varint()
		n, step := int64(d.uvarint(maxRead)), int64(d.uvarint(maxStep))
		end, at = first+n, at+step
		if d.bad || first < 0 || end > maxSector || at > maxStep {
			return fmt.Errorf("%w: READ %d makes no sense", ErrFormat, len(t.Reads)+1)
		}
		t.Reads = append(t.Reads, Read{At: time.Duration(at) * time.Microsecond, Offset: first * sector, Length: n * sector})
	}
	if len(d.b) > 0 {
		return fmt.Errorf("%w: %d bytes follow its last READ", ErrFormat, len(d.b))
	}
	return nil
}

// decoder takes numbers from b until one is bad.
type decoder struct {
	b   []byte
	bad bool
}

// uvarint returns 0 and makes d bad if there is none, or one above most.
func (d *decoder) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > most || d.bad {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 || v < -maxSector || v > maxSector || d.bad {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}
