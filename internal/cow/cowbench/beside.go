package cowbench

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"bootes.dev/internal/cow"
)

// peer is one kind of load that qemu-img bench can do too: it strides through
// the disk by a step that has no factor in common with it.
type peer struct {
	name  string
	write bool
	size  int // of one operation
	flush int // after so many
	ops   int
	full  bool // the overlay has all blocks already
}

// beside measures a plain file, the engine and a qcow2 overlay, each in its
// own process's memory: no network, no socket.
func (b *bench) beside(r *room) error {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		fmt.Fprintf(b.out, "\nqemu-img is not installed: no figures beside it.\n")
		return nil
	}
	size, ops := b.written/4, b.turns*20
	if err := b.besideFiles(r, size); err != nil {
		return err
	}
	base, err := b.image(r, size)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n| load, queue depth 1 | plain | Boötes | qcow2 | Boötes, of plain | qcow2, of plain |\n|---|---|---|---|---|---|\n")
	for i, p := range []peer{
		{name: "4 KiB read, hot", size: blockSize, ops: ops},
		{name: "1 MiB read, hot", size: 1 << 20, ops: ops / 20},
		{name: "4 KiB write, first touch, flush every 32", write: true, size: blockSize, flush: 32, ops: ops / 2},
		{name: "4 KiB write, first touch, flush every write", write: true, size: blockSize, flush: 1, ops: ops / 2},
		{name: "4 KiB write, present blocks, flush every 32", write: true, size: blockSize, flush: 32, ops: ops / 2, full: true},
	} {
		if err := b.peer(r, fmt.Sprint("v", i), base, size, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (b *bench) besideFiles(r *room, size int64) error {
	p, err := r.plain("base.raw", size)
	if err != nil {
		return err
	}
	return errors.Join(fill(p, size), p.Close())
}

func (b *bench) peer(r *room, id, base string, size int64, w peer) error {
	v, err := r.clone(id, base)
	if err != nil {
		return err
	}
	p, err := r.plain(id+".raw", size)
	if err != nil {
		return err
	}
	overlay := r.path(id + ".qcow2")
	if err := b.command("qemu-img", "create", "-q", "-f", "qcow2", "-b", r.path("base.raw"), "-F", "raw", overlay); err != nil {
		return err
	}
	if w.full {
		whole := peer{write: true, size: 1 << 20, ops: int(size >> 20)}
		_, qerr := b.qemu(overlay, whole, 1<<20, 0)
		err = errors.Join(fill(v, size), qerr)
	}
	if w.full || !w.write {
		err = errors.Join(err, fill(p, size))
	}
	if err != nil {
		return err
	}
	var all [3][]time.Duration
	for round := range min(3, b.rounds) {
		t, err := b.peerRound(p, v, overlay, size, w, round)
		if err != nil {
			return err
		}
		for i := range t {
			all[i] = append(all[i], t[i]/time.Duration(w.ops))
		}
	}
	m := [3]time.Duration{quantile(all[0], 0.5), quantile(all[1], 0.5), quantile(all[2], 0.5)}
	fmt.Fprintf(b.out, "| %s | %s | %s | %s | %.2f | %.2f |\n", w.name, short(m[0]), short(m[1]), short(m[2]),
		float64(m[0])/float64(m[1]), float64(m[0])/float64(m[2]))
	return errors.Join(v.Close(), p.remove(), r.forget(id, ""), b.command("rm", overlay))
}

// peerRound gives all three the same ranges, which no round before had.
func (b *bench) peerRound(p *plain, v *cow.Volume, overlay string, size int64, w peer, round int) (t [3]time.Duration, err error) {
	step := int64(w.size) * 12289
	if w.size > blockSize {
		step = int64(w.size)
	}
	start := int64(round) * int64(w.ops) * step % size
	for i, d := range []disk{p, v} {
		began := time.Now()
		if err := stride(d, w, size, start, step); err != nil {
			return t, err
		}
		t[i] = time.Since(began)
	}
	t[2], err = b.qemu(overlay, w, step, start)
	return t, err
}

func stride(d disk, w peer, size, off, step int64) (err error) {
	p := pattern(w.size)
	for i := range w.ops {
		if w.write {
			_, err = d.WriteAt(p, off)
		} else {
			_, err = d.ReadAt(p, off)
		}
		if err == nil && w.flush > 0 && i%w.flush == w.flush-1 {
			err = d.Flush()
		}
		if err != nil {
			return err
		}
		off = (off + step) % size
	}
	return nil
}

var completed = regexp.MustCompile(`Run completed in ([0-9.]+) seconds`)

// qemu runs one load in qemu-img, with io_uring if the kernel lets it, which
// is the faster of its ways here.
func (b *bench) qemu(overlay string, w peer, step, start int64) (time.Duration, error) {
	args := []string{"qemu-img", "bench", "-f", "qcow2", "-t", "writeback", "-i", "io_uring", "-d", "1",
		"-c", fmt.Sprint(w.ops), "-s", fmt.Sprint(w.size), "-S", fmt.Sprint(step), "-o", fmt.Sprint(start)}
	if w.write {
		args = append(args, "-w")
	}
	if w.flush > 0 {
		args = append(args, fmt.Sprint("--flush-interval=", w.flush))
	}
	out, err := output(b.ctx, append(args, overlay)...)
	if err != nil {
		args[7] = "threads"
		out, err = output(b.ctx, append(args, overlay)...)
	}
	if err != nil {
		return 0, err
	}
	m := completed.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("qemu-img bench printed no time: %s", out)
	}
	seconds, err := strconv.ParseFloat(m[1], 64)
	return time.Duration(seconds * float64(time.Second)), err
}
