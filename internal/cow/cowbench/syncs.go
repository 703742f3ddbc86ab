package cowbench

import (
	"errors"
	"fmt"

	"bootes.dev/internal/cow"
)

// syncs counts the syncs of each operation. Time is what a disk makes of them.
func (b *bench) syncs(r *room) error {
	base, err := b.image(r, b.sizes.image/4)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n| operation | syncs of files | of folders |\n|---|---|---|\n")
	var v *cow.Volume
	write := func(first, n int) error {
		for i := range n {
			if _, err := v.WriteAt(pattern(blockSize), int64(first+i)*2*blockSize); err != nil {
				return err
			}
		}
		return nil
	}
	for _, op := range []struct {
		name       string
		before, do func() error
	}{
		{"clone", nil, func() error { _, err := r.eng.CreateVolume(cow.VolumeSpec{ID: "v", Base: base}); return err }},
		{"open, untouched", nil, func() (err error) { v, err = r.eng.OpenVolume("v"); return err }},
		{"close, untouched", nil, func() error { return v.Close() }},
		{"first write of a clone", func() (err error) { v, err = r.eng.OpenVolume("v"); return err },
			func() error { return write(0, 1) }},
		{"flush after it", nil, func() error { return v.Flush() }},
		{"first touch of a block, later", nil, func() error { return write(1, 1) }},
		{"flush after 1 first touch", nil, func() error { return v.Flush() }},
		{"flush after 4 first touches", func() error { return write(2, 4) }, func() error { return v.Flush() }},
		{"flush after 64 first touches", func() error { return write(6, 64) }, func() error { return v.Flush() }},
		{"flush after writes to present blocks", func() error { return write(6, 64) }, func() error { return v.Flush() }},
		{"flush after an unmap", func() error { return v.Unmap(0, 64<<10) }, func() error { return v.Flush() }},
		{"flush after nothing", nil, func() error { return v.Flush() }},
		{"snapshot", func() error { return errors.Join(write(0, 64), v.Flush()) },
			func() error { _, err := r.eng.Snapshot("v", "s"); return err }},
		{"commit", func() error { return errors.Join(write(0, 64), v.Flush()) },
			func() error { _, err := r.eng.Commit("v", ""); return err }},
		{"close", func() error { return errors.Join(write(0, 64), v.Flush()) }, func() error { return v.Close() }},
		{"rollback", nil, func() error { return r.eng.Rollback("v", "s") }},
		{"remove", nil, func() error { return r.eng.RemoveVolume("v") }},
	} {
		if op.before != nil {
			if err := op.before(); err != nil {
				return fmt.Errorf("before %s: %w", op.name, err)
			}
		}
		files, folders, err := b.fs.during(op.do)
		if err != nil {
			return fmt.Errorf("%s: %w", op.name, err)
		}
		fmt.Fprintf(b.out, "| %s | %d | %d |\n", op.name, files, folders)
	}
	return nil
}
