package cow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/block/blocktest"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/cow/crashfs"
)

// flat is the model of a disk: its bytes, block by block. What is not in the
// map is zeros. Blocks are never changed but replaced, so that a copy of the
// map is a copy of the disk.
type flat struct {
	size   int64
	blocks map[int64]*[cow.BlockSize]byte
}

func (p flat) clone(size int64) flat {
	c := flat{size, maps.Clone(p.blocks)}
	if size < p.size {
		c.write(make([]byte, min(cow.BlockSize, p.size-size)), size) // the rest of its last block
		maps.DeleteFunc(c.blocks, func(b int64, _ *[cow.BlockSize]byte) bool { return b*cow.BlockSize >= size })
	}
	return c
}

func (p flat) each(off, n int64, do func(b int64, from, to int)) {
	for at := off; at < off+n; {
		b := at / cow.BlockSize
		end := min((b+1)*cow.BlockSize, off+n)
		do(b, int(at-b*cow.BlockSize), int(end-b*cow.BlockSize))
		at = end
	}
}

func (p flat) write(data []byte, off int64) {
	p.each(off, int64(len(data)), func(b int64, from, to int) {
		next := new([cow.BlockSize]byte)
		if old := p.blocks[b]; old != nil {
			*next = *old
		}
		copy(next[from:to], data[b*cow.BlockSize+int64(from)-off:])
		p.blocks[b] = next
	})
}

func (p flat) read(data []byte, off int64) {
	clear(data)
	p.each(off, int64(len(data)), func(b int64, from, to int) {
		if old := p.blocks[b]; old != nil {
			copy(data[b*cow.BlockSize+int64(from)-off:], old[from:to])
		}
	})
}

// compare reads a range of a disk.
func (p flat) compare(d io.ReaderAt, off, n int64) error {
	got, want := make([]byte, n), make([]byte, n)
	if _, err := d.ReadAt(got, off); err != nil {
		return fmt.Errorf("read %d bytes at %d: %w", n, off, err)
	}
	p.read(want, off)
	if bytes.Equal(got, want) {
		return nil
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("byte %d is %#x, want %#x", off+int64(i), got[i], want[i])
		}
	}
	return nil
}

// compareAll reads all that was ever written, and around it.
func (p flat) compareAll(d block.Device, touched map[int64]bool) error {
	if d.Size() != p.size {
		return fmt.Errorf("%d bytes, want %d", d.Size(), p.size)
	}
	for b := range touched {
		from := max(0, (b-1)*cow.BlockSize)
		if to := min(p.size, (b+2)*cow.BlockSize); from < to {
			if err := p.compare(d, from, to-from); err != nil {
				return err
			}
		}
	}
	return nil
}

// modeller does the same things to an engine and to models.
type modeller struct {
	rng     *rand.Rand
	e       *cow.Engine
	v       *cow.Volume // nil while closed
	disk    flat
	snaps   map[string]flat
	images  map[string]flat
	touched map[int64]bool
	stamp   uint64
}

// modelSizes of disks: small ones, where ranges overlap all the time, and one
// of several map pages.
var modelSizes = []int64{20 * 512, 300<<10 + 5*512, 200<<20 + 3*512}

// TestModel does random things to an engine and to plain byte arrays, which
// must always agree.
func TestModel(t *testing.T) {
	for seed := range seeds(24) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			o := cow.Options{JournalSize: 4096, MergeDepth: 3, FlattenDepth: 6, Manual: seed%2 == 0}
			dir := t.TempDir()
			if seed%4 > 0 {
				o.FS, dir = crashfs.New(seed, "/"), "/d"
			}
			m := &modeller{
				rng: rand.New(rand.NewPCG(seed, 51)), e: open(t, dir, o), disk: flat{modelSizes[seed%3], map[int64]*[cow.BlockSize]byte{}},
				snaps: map[string]flat{}, images: map[string]flat{}, touched: map[int64]bool{},
			}
			if err := m.run(400); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func (m *modeller) run(steps int) error {
	if _, err := m.e.CreateVolume(cow.VolumeSpec{ID: "v", Size: m.disk.size}); err != nil {
		return err
	}
	for i := range steps {
		if err := m.step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return m.compareAll()
}

func (m *modeller) step() error {
	if err := m.open(); err != nil {
		return err
	}
	switch k := m.rng.IntN(200); {
	case k < 70:
		return m.write()
	case k < 95:
		return m.unmap()
	case k < 150:
		off, n := m.draw()
		return m.disk.compare(m.v, off, n)
	case k < 160:
		return m.v.Flush()
	case k < 164:
		return m.compareAll()
	case k < 174:
		return m.snapshot()
	case k < 178:
		return m.commit()
	case k < 184:
		return m.resize()
	case k < 188:
		return m.e.Settle(context.Background())
	case k < 191:
		return m.e.FlattenVolume(context.Background(), "v", nil)
	}
	if err := m.close(); err != nil {
		return err
	}
	switch k := m.rng.IntN(8); {
	case k < 4:
		return m.rollback()
	case k < 6:
		return m.reset()
	case k < 7:
		return m.removeSnapshot()
	}
	return nil
}

func (m *modeller) open() (err error) {
	if m.v == nil {
		m.v, err = m.e.OpenVolume("v")
	}
	return err
}

func (m *modeller) close() error {
	v := m.v
	m.v = nil
	return v.Close()
}

// draw returns a range, often within a block or across a border of map pages.
func (m *modeller) draw() (off, n int64) {
	off = m.rng.Int64N(m.disk.size/512) * 512
	if m.disk.size > 1<<20 && m.rng.IntN(4) > 0 {
		off = 64<<20*m.rng.Int64N(3) + (m.rng.Int64N(128)-64)*512
		off = min(max(off, 0), m.disk.size-512)
	}
	return off, min(m.disk.size-off, (1+m.rng.Int64N(1<<m.rng.IntN(7)))*512)
}

func (m *modeller) touch(off, n int64) {
	for b := off / cow.BlockSize; b*cow.BlockSize < off+n; b++ {
		m.touched[b] = true
	}
}

func (m *modeller) write() error {
	off, n := m.draw()
	p := make([]byte, n)
	m.stamp++
	blocktest.Pattern(p, off, m.stamp)
	m.touch(off, n)
	m.disk.write(p, off)
	_, err := m.v.WriteAt(p, off)
	return err
}

func (m *modeller) unmap() error {
	off, n := m.draw()
	if m.rng.IntN(10) == 0 {
		off, n = 0, m.disk.size
		clear(m.disk.blocks)
	} else {
		m.touch(off, n)
		m.disk.write(make([]byte, n), off)
	}
	return m.v.Unmap(off, n)
}

// compareAll compares the disk, and all that was ever made of it.
func (m *modeller) compareAll() error {
	if err := m.open(); err != nil {
		return err
	}
	if err := m.disk.compareAll(m.v, m.touched); err != nil {
		return err
	}
	for name, want := range m.snaps {
		l, err := m.e.OpenSnapshot("v", name)
		if err == nil {
			err = errors.Join(want.compareAll(l, m.touched), l.Close())
		}
		if err != nil {
			return fmt.Errorf("snapshot %q: %w", name, err)
		}
	}
	for id, want := range m.images {
		l, err := m.e.OpenLayer(id)
		if err == nil {
			err = errors.Join(want.compareAll(l, m.touched), l.Close(), m.e.VerifyLayer(context.Background(), id, nil))
		}
		if err != nil {
			return fmt.Errorf("image %q: %w", id, err)
		}
	}
	return nil
}

// name draws one of a few names.
func (m *modeller) name() string { return fmt.Sprint("s", m.rng.IntN(6)) }

func (m *modeller) snapshot() error {
	name := m.name()
	if m.rng.IntN(3) == 0 {
		if err := m.close(); err != nil {
			return err
		}
	}
	_, err := m.e.Snapshot("v", name)
	if _, taken := m.snaps[name]; taken {
		return want(err, cow.ErrExist)
	}
	m.snaps[name] = m.disk.clone(m.disk.size)
	return err
}

// want is nil if err is of the kind that must come.
func want(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return fmt.Errorf("%v, want %w", err, kind)
}

func (m *modeller) removeSnapshot() error {
	name := m.name()
	err := m.e.RemoveSnapshot("v", name)
	if _, there := m.snaps[name]; !there {
		return want(err, cow.ErrNotExist)
	}
	delete(m.snaps, name)
	return err
}

func (m *modeller) rollback() error {
	name := m.name()
	err := m.e.Rollback("v", name)
	if _, there := m.snaps[name]; !there {
		return want(err, cow.ErrNotExist)
	}
	m.disk = m.snaps[name].clone(m.snaps[name].size)
	return err
}

func (m *modeller) commit() error {
	if len(m.images) > 3 {
		for id := range m.images {
			if err := m.e.RemoveLayer(id); err != nil {
				return onlyIf(err, cow.ErrDependents)
			}
			delete(m.images, id)
			return nil
		}
	}
	name, of := "", m.disk
	if snap, there := m.snaps["s0"]; there && m.rng.IntN(2) == 0 {
		name, of = "s0", snap
	}
	info, err := m.e.Commit("v", name)
	m.images[info.ID] = of.clone(of.size)
	return err
}

// onlyIf takes an error of one kind for none.
func onlyIf(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// reset takes the size that the engine gives.
func (m *modeller) reset() error {
	for id, im := range m.images {
		if err := m.e.SetBase("v", id); err != nil {
			return err
		}
		info, err := m.e.Volume("v")
		if err != nil {
			return err
		}
		if info.Size < im.size {
			return fmt.Errorf("reset to %d bytes: it has %d", im.size, info.Size)
		}
		m.disk = im.clone(info.Size)
		return nil
	}
	return nil
}

func (m *modeller) resize() error {
	size := (m.disk.size/cow.BlockSize + m.rng.Int64N(9) - 4) * cow.BlockSize
	if m.rng.IntN(3) == 0 {
		size = m.disk.size * (1 + m.rng.Int64N(3)) / 2 / cow.BlockSize * cow.BlockSize
	}
	size = min(max(size, cow.BlockSize), 300<<20)
	if size < m.disk.size {
		if err := want(m.e.Resize("v", size), cow.ErrInUse); err != nil {
			return err
		}
		if err := m.close(); err != nil {
			return err
		}
	}
	m.disk = m.disk.clone(size)
	return m.e.Resize("v", size)
}
