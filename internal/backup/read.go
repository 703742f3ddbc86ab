package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// Reader reads a stream. It holds one record in memory, whatever the stream
// says.
type Reader struct {
	in     input
	header Header
	stats  Stats
	end    int64 // of the record before, in the disk
	head   [tailSize]byte
	buf    []byte
	err    error // Next's last word
}

// Record is a run of blocks.
type Record struct {
	Off, Len int64  // in bytes
	Zero     bool   // the run is zeros
	Data     []byte // otherwise: Len bytes, valid until the next call of Next
}

// NewReader reads the header of a stream: *VersionError, *FormatError, or the
// error of r.
func NewReader(r io.Reader) (*Reader, error) {
	d := &Reader{in: input{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}}
	h, err := readHeader(&d.in)
	if err != nil {
		return nil, d.explain(err)
	}
	d.header = h
	return d, nil
}

// Header is what the stream says of itself.
func (d *Reader) Header() Header { return d.header }

// Stats count what has been read so far.
func (d *Reader) Stats() Stats {
	d.stats.Stream = d.in.n
	return d.stats
}

// Next reads the next record. io.EOF: that was all, and the checksum over the
// whole stream is right. Before that, what was read must not be used.
func (d *Reader) Next() (Record, error) {
	if d.err != nil {
		return Record{}, d.err
	}
	rec, err := d.next()
	switch {
	case err == errEnd:
		d.err = io.EOF
	case err != nil:
		d.err = d.explain(err)
	}
	return rec, d.err
}

// errEnd is a trailer in order.
var errEnd = errors.New("end")

func (d *Reader) next() (Record, error) {
	head := d.head[:recordSize]
	if _, err := io.ReadFull(&d.in, head); err != nil {
		return Record{}, err
	}
	kind := recordType(head[4])
	if head[5]|head[6]|head[7] != 0 || kind < typeData || kind > typeEnd {
		return Record{}, fmt.Errorf("a record of unknown type % x", head[4:8])
	}
	if kind == typeEnd {
		return Record{}, d.trailer()
	}
	off, n := binary.LittleEndian.Uint64(head[8:]), binary.LittleEndian.Uint64(head[16:])
	if err := d.checkRun(kind, off, n); err != nil {
		return Record{}, err
	}
	rec := Record{Off: int64(off), Len: int64(n), Zero: kind == typeZeros}
	if !rec.Zero {
		if d.buf == nil {
			d.buf = make([]byte, min(MaxData, d.header.Size))
		}
		rec.Data = d.buf[:n]
		if _, err := io.ReadFull(&d.in, rec.Data); err != nil {
			return Record{}, err
		}
	}
	if crc32.Update(crc32.Checksum(head[4:], castagnoli), castagnoli, rec.Data) != binary.LittleEndian.Uint32(head) {
		return Record{}, errors.New("the checksum of a record is wrong")
	}
	d.end = rec.Off + rec.Len
	d.stats.count(kind, rec.Len)
	if d.stats.Data > d.header.Data {
		return Record{}, fmt.Errorf("more data than the %d bytes that the header tells", d.header.Data)
	}
	return rec, nil
}

func (d *Reader) checkRun(kind recordType, off, n uint64) error {
	size := uint64(d.header.Size)
	switch {
	case n == 0 || off >= size || n > size-off:
		return fmt.Errorf("a record of %d bytes from %d in a disk of %d", n, off, size)
	case off%BlockSize != 0 || n%BlockSize != 0 && off+n != size:
		return fmt.Errorf("a record of %d bytes from %d: these are no whole blocks", n, off)
	case off < uint64(d.end):
		return fmt.Errorf("a record from %d after one that ends at %d", off, d.end)
	case kind == typeData && n > MaxData:
		return fmt.Errorf("a record with %d bytes of data", n)
	}
	return nil
}

// trailer reads the rest of the trailer, of which head holds the beginning.
func (d *Reader) trailer() error {
	tail := d.head[:]
	if _, err := io.ReadFull(&d.in, tail[recordSize:hashAt]); err != nil {
		return err
	}
	if crc32.Checksum(tail[4:hashAt], castagnoli) != binary.LittleEndian.Uint32(tail) {
		return errors.New("the checksum of its trailer is wrong")
	}
	told := [3]uint64{binary.LittleEndian.Uint64(tail[8:]), binary.LittleEndian.Uint64(tail[16:]), binary.LittleEndian.Uint64(tail[24:])}
	if found := [3]uint64{uint64(d.stats.Records), uint64(d.stats.Data), uint64(d.stats.Zeroed)}; told != found {
		return fmt.Errorf("its trailer tells of %d records with %d bytes of data and %d of zeros, and there were %d, %d and %d",
			told[0], told[1], told[2], found[0], found[1], found[2])
	}
	sum := d.in.sum.Sum(nil)
	if _, err := io.ReadFull(&d.in, tail[hashAt:]); err != nil {
		return err
	}
	if string(sum) != string(tail[hashAt:]) {
		return errors.New("the checksum over the whole is wrong")
	}
	if n, err := d.in.Read(tail[:1]); n > 0 {
		return errors.New("something follows its trailer")
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return errEnd
}

// explain tells the stream's faults from failures to read it.
func (d *Reader) explain(err error) error {
	var version *VersionError
	var source *sourceError
	switch {
	case errors.As(err, &version), errors.As(err, &source):
		return err
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return &FormatError{At: d.in.n, Err: err}
}

// input counts and hashes what is read, and marks the errors of reading.
type input struct {
	r   *bufio.Reader
	sum hash.Hash
	n   int64
}

func (i *input) Read(p []byte) (int, error) {
	n, err := i.r.Read(p)
	i.sum.Write(p[:n])
	i.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = &sourceError{err}
	}
	return n, err
}
