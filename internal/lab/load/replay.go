package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/quantile"
)

// boot.trace is what a machine of the lab read while it booted the golden
// Debian 12 image under BIOS, from iPXE and GRUB to the login prompt: 2,582
// READs, 76 MiB, taken from the wire. Each line is one of them: how far it begins
// from the end of the one before, and its length, in blocks of 512 bytes.
//
//go:embed boot.trace
var bootTrace string

// Read is one READ of a boot.
type Read struct {
	Off int64 // bytes
	Len int
}

// BootReads returns the recorded boot.
func BootReads() ([]Read, error) {
	var all []Read
	at := int64(0)
	for line := range strings.Lines(bootTrace) {
		skip, length, _ := strings.Cut(strings.TrimSpace(line), " ")
		s, err1 := strconv.ParseInt(skip, 10, 64)
		n, err2 := strconv.ParseInt(length, 10, 32)
		if err := errors.Join(err1, err2); err != nil || at+s < 0 || n <= 0 {
			return nil, fmt.Errorf("read line %d of the recorded boot: %q: %w", len(all)+1, line, err)
		}
		all = append(all, Read{Off: (at + s) * 512, Len: int(n) * 512})
		at += s + n
	}
	return all, nil
}

// replay has all endpoints boot at once: they log in first, and then each does
// the recorded READs one after the other, as fast as they are answered.
func replay(ctx context.Context, j Job) (r Report, err error) {
	reads, err := BootReads()
	if err != nil {
		return r, err
	}
	disks := make([]*initiator.Disk, len(j.Replay))
	defer func() {
		for _, d := range disks {
			if d != nil {
				err = errors.Join(err, d.Session().Close())
			}
		}
	}()
	for i, e := range j.Replay {
		if disks[i], err = e.open(ctx, 1); err != nil {
			return r, fmt.Errorf("log in machine %d of %d: %w", i+1, len(disks), err)
		}
	}
	m, err := newMeter(ctx, &j)
	if err != nil {
		return r, err
	}
	marks, faults := make([]quantile.Histogram, len(disks)), make([]error, len(disks))
	var wg sync.WaitGroup
	for i, d := range disks {
		wg.Go(func() { faults[i] = boot(ctx, d, reads, &marks[i]) })
	}
	wg.Wait()
	if err := errors.Join(append(faults, m.read(&r))...); err != nil {
		return r, fmt.Errorf("replay a boot: %w", err)
	}
	for i := range marks[1:] {
		marks[0].Merge(&marks[i+1])
	}
	r.Replay = figures(&marks[0])
	for _, read := range reads {
		r.Replay.Bytes += int64(read.Len) * int64(len(disks))
	}
	return r, nil
}

// boot does the reads of one machine.
func boot(ctx context.Context, d *initiator.Disk, reads []Read, marks *quantile.Histogram) error {
	var p []byte
	for _, r := range reads {
		if len(p) < r.Len {
			p = make([]byte, r.Len)
		}
		began := time.Now()
		if err := d.ReadAt(ctx, p[:r.Len], r.Off); err != nil {
			return err
		}
		marks.Add(time.Since(began))
	}
	return nil
}
