package initiator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// Disk is a logical unit as a disk of blocks. Its methods may be called from
// any number of goroutines; each call that moves data is split into commands of
// 1 MiB at most, one after the other.
type Disk struct {
	s         *Session
	lun       uint8
	blocks    int64
	blockSize int
}

// CDBs by their operation code (SPC-4, SBC-3).
const (
	opTestUnitReady = 0x00
	opSyncCache16   = 0x91
	opReadCapacity  = 0x9e // SERVICE ACTION IN(16), 10h
	opRead16        = 0x88
	opWrite16       = 0x8a
	opUnmap         = 0x42
)

const maxTransfer = 1 << 20

// senseUnitAttention is the sense key of what a unit tells unasked.
const senseUnitAttention = 6

// Disk waits until the logical unit takes commands, and asks for its size.
func (s *Session) Disk(ctx context.Context, lun uint8) (*Disk, error) {
	d := &Disk{s: s, lun: lun}
	if err := d.do(ctx, []byte{opTestUnitReady, 5: 0}, nil, nil); err != nil {
		return nil, fmt.Errorf("open LUN %d: %w", lun, err)
	}
	answer := make([]byte, 32)
	if err := d.do(ctx, []byte{opReadCapacity, 0x10, 13: 32, 15: 0}, nil, answer); err != nil {
		return nil, fmt.Errorf("read capacity of LUN %d: %w", lun, err)
	}
	d.blocks = int64(binary.BigEndian.Uint64(answer)) + 1
	d.blockSize = int(binary.BigEndian.Uint32(answer[8:]))
	if d.blocks <= 0 || d.blockSize < 512 || d.blockSize > 1<<16 {
		return nil, fmt.Errorf("read capacity of LUN %d: %d blocks of %d bytes", lun, d.blocks, d.blockSize)
	}
	return d, nil
}

// Session is what the disk is reached by.
func (d *Disk) Session() *Session { return d.s }

// Size is the capacity in bytes.
func (d *Disk) Size() int64 { return d.blocks * int64(d.blockSize) }

// BlockSize is the logical block in bytes.
func (d *Disk) BlockSize() int { return d.blockSize }

// do runs a command again for each unit attention, of which a unit may hold
// several.
func (d *Disk) do(ctx context.Context, cdb, out, in []byte) error {
	for try := 0; ; try++ {
		r, err := d.s.Do(ctx, d.lun, cdb, out, in)
		if err != nil {
			return err
		}
		err = r.Err()
		var status *StatusError
		if err == nil || try == 8 || !errors.As(err, &status) || status.Key != senseUnitAttention {
			return err
		}
	}
}

// ReadAt reads whole blocks.
func (d *Disk) ReadAt(ctx context.Context, p []byte, off int64) error {
	return d.pieces(ctx, opRead16, p, off)
}

// WriteAt writes whole blocks.
func (d *Disk) WriteAt(ctx context.Context, p []byte, off int64) error {
	return d.pieces(ctx, opWrite16, p, off)
}

func (d *Disk) pieces(ctx context.Context, op byte, p []byte, off int64) error {
	for len(p) > 0 {
		piece := p[:min(len(p), maxTransfer)]
		cdb, err := d.cdb(op, off, len(piece))
		if err != nil {
			return err
		}
		if op == opRead16 {
			err = d.do(ctx, cdb[:], nil, piece)
		} else {
			err = d.do(ctx, cdb[:], piece, nil)
		}
		if err != nil {
			return fmt.Errorf("move %d bytes at %d: %w", len(piece), off, err)
		}
		p, off = p[len(piece):], off+int64(len(piece))
	}
	return nil
}

// Read aims c at n bytes at off; In is the caller's to set. The range is in
// whole blocks.
func (d *Disk) Read(c *Command, off int64, n int) (err error) {
	c.LUN = d.lun
	c.CDB, err = d.cdb(opRead16, off, n)
	return err
}

// Write is like Read, for Out.
func (d *Disk) Write(c *Command, off int64, n int) (err error) {
	c.LUN = d.lun
	c.CDB, err = d.cdb(opWrite16, off, n)
	return err
}

// cdb is READ(16) or WRITE(16).
func (d *Disk) cdb(op byte, off int64, n int) (cdb [16]byte, err error) {
	size := int64(d.blockSize)
	if off < 0 || off%size != 0 || int64(n)%size != 0 {
		return cdb, fmt.Errorf("%d bytes at %d are no whole blocks of %d", n, off, size)
	}
	cdb[0] = op
	binary.BigEndian.PutUint64(cdb[2:], uint64(off/size))
	binary.BigEndian.PutUint32(cdb[10:], uint32(int64(n)/size))
	return cdb, nil
}

// Flush makes all acknowledged writes durable.
func (d *Disk) Flush(ctx context.Context) error {
	return d.do(ctx, []byte{opSyncCache16, 15: 0}, nil, nil)
}

// Unmap gives back length bytes at off, whole blocks.
func (d *Disk) Unmap(ctx context.Context, off, length int64) error {
	size := int64(d.blockSize)
	if off%size != 0 || length%size != 0 || length/size > 1<<32-1 {
		return fmt.Errorf("%d bytes at %d are no whole blocks of %d", length, off, size)
	}
	list := make([]byte, 24) // header and one descriptor (SBC-3, 5.28)
	list[1], list[3] = 22, 16
	binary.BigEndian.PutUint64(list[8:], uint64(off/size))
	binary.BigEndian.PutUint32(list[16:], uint32(length/size))
	return d.do(ctx, []byte{opUnmap, 8: 24, 9: 0}, list, nil)
}
