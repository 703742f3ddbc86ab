package cow

import (
	"math"
	"slices"
	"sync"

	"bootes.dev/internal/cow/vfs"
)

// runs are neighbouring stretches of a disk that are to be read from different
// places. Where an overlay is strewn over an image, one pread for each of them
// costs several times what the bytes do; so each file is read through short
// gaps, in one system call, and what lies in these goes to the dump. What the
// map does not name reaches nobody.
type runs struct {
	first int64 // block
	n     int
	list  [256]run
	bufs  [][]byte
	dump  [gapMax * BlockSize]byte
}

var runLists = sync.Pool{New: func() any { return &runs{bufs: make([][]byte, 0, 512)} }}

type run struct {
	end    int32 // in blocks, from the first one
	source uint16
}

// Sources beside those of the chain: 0 is zeros there, and here.
const sourceOwn = math.MaxUint16

// Source of a run that has been read.
const sourceDone = sourceOwn - 1

// gapMax is the longest gap, in blocks, that costs less to read than a system
// call. A hole that is read takes up a page of zeros in the page cache, so this
// is also how much more of that than there is data such reads may take up.
const gapMax = 2

// gather lists the runs from block b on, to end or as many as fit.
func (r *runs) gather(v *view, b, end int64) {
	r.first, r.n = b, 0
	for b < end && b-r.first < math.MaxInt32-pageBlocks {
		from, k, n := v.run(b, min(end-b, pageBlocks))
		source := uint16(k)
		if from == here {
			source = sourceOwn
		}
		if r.n == 0 || r.list[r.n-1].source != source {
			if r.n == len(r.list) {
				return
			}
			r.list[r.n].source = source
			r.n++
		}
		b += n
		r.list[r.n-1].end = int32(b - r.first)
	}
}

// blocks is how many all runs have.
func (r *runs) blocks() int64 { return int64(r.list[r.n-1].end) }

func (r *runs) start(i int) int64 {
	if i == 0 {
		return 0
	}
	return int64(r.list[i-1].end)
}

// readRuns reads a range that comes from several places.
func (v *view) readRuns(p []byte, off int64) (int, error) {
	r := runLists.Get().(*runs)
	defer r.giveBack()
	end, done := blocksFor(off+int64(len(p))), 0
	for done < len(p) {
		at := off + int64(done)
		r.gather(v, at>>blockShift, end)
		part := p[done:min(len(p), done+int((r.first+r.blocks())<<blockShift-at))]
		if err := r.read(v, part, at); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

// giveBack keeps nothing of the caller's.
func (r *runs) giveBack() {
	clear(r.bufs[:cap(r.bufs)])
	runLists.Put(r)
}

// read fills p, which lies at off.
func (r *runs) read(v *view, p []byte, off int64) error {
	for i := range r.n {
		var err error
		switch source := r.list[i].source; source {
		case sourceDone:
		case 0:
			clear(r.part(i, p, off))
		default:
			err = r.readFile(v.file(source), i, p, off)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// part is where run i goes.
func (r *runs) part(i int, p []byte, off int64) []byte {
	from := max(0, (r.first+r.start(i))<<blockShift-off)
	to := min(int64(len(p)), (r.first+int64(r.list[i].end))<<blockShift-off)
	return p[from:to]
}

// offset is where run i begins.
func (r *runs) offset(i int, off int64) int64 { return max(off, (r.first+r.start(i))<<blockShift) }

// readFile reads run i and those of the same file behind it that are near.
func (r *runs) readFile(f vfs.File, i int, p []byte, off int64) error {
	source := r.list[i].source
	last, blocks := r.near(i, p, off)
	begin := r.offset(i, off)
	together := last > i && !r.isScattered(f, begin, off+int64(len(p)), last, blocks) && r.readNear(f, begin-off, off) == nil
	for j := i; j <= last; j++ {
		if r.list[j].source != source {
			continue
		}
		r.list[j].source = sourceDone
		if together {
			continue
		}
		// Alone, if perhaps a gap cannot be read.
		if _, err := readFull(f, r.part(j, p, off), r.offset(j, off)); err != nil {
			return err
		}
	}
	return nil
}

// near puts the places of run i, and of those behind it that can be read with
// it, into bufs. It returns the last of them, and how many blocks they have.
func (r *runs) near(i int, p []byte, off int64) (last int, blocks int64) {
	source, end := r.list[i].source, r.list[i].end
	bufs := append(r.bufs[:0], r.part(i, p, off))
	last, blocks = i, r.length(i)
	for j := i + 1; j < r.n; j++ {
		start := r.list[j-1].end
		if start-end > gapMax {
			break
		}
		if r.list[j].source == source {
			bufs = append(bufs, r.dump[:(start-end)<<blockShift], r.part(j, p, off))
			end = r.list[j].end
			last, blocks = j, blocks+int64(end-start)
		}
	}
	r.bufs = bufs
	return last, blocks
}

func (r *runs) length(i int) int64 { return int64(r.list[i].end) - r.start(i) }

// isScattered reports whether the page cache has just the blocks that are
// wanted, as it has when they were written lately. Reading the gaps would then
// cost more than it spares.
func (r *runs) isScattered(f vfs.File, begin, end int64, last int, blocks int64) bool {
	end = min(end, (r.first+int64(r.list[last].end))<<blockShift)
	return f.Cached(begin, end-begin) == blocks<<blockShift
}

// readNear reads what is in bufs, which begins skip bytes behind off. If that is
// near, it begins at off: of a read that begins at an odd page, the kernel fills
// its cache with single pages, and they take four times as long to read again as
// larger pieces.
func (r *runs) readNear(f vfs.File, skip, off int64) error {
	if skip > 0 && skip <= int64(len(r.dump)) {
		r.bufs = slices.Insert(r.bufs, 0, r.dump[:skip])
		skip = 0
	}
	return f.ReadVec(r.bufs, off+skip)
}

// file is the one behind a source.
func (v *view) file(source uint16) vfs.File {
	if source == sourceOwn {
		return v.data
	}
	return v.base.files[source-1]
}
