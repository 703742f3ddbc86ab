package cow

import "math"

// runs are neighbouring stretches of a disk that are to be read from different
// places. Where an overlay is strewn over an image, one pread for each of them
// costs several times what the bytes do; so the file at the bottom is read
// through short gaps, and what lies in these is read again from where the map
// says that it is. Nothing stays that the map does not name.
type runs struct {
	first int64 // block
	n     int
	list  [96]run
}

type run struct {
	end    int32 // in blocks, from the first one
	source uint16
}

// Sources beside those of the chain: 0 is zeros there, and here.
const sourceOwn = math.MaxUint16

// gapMax is the longest gap, in blocks, that costs less to read than to leave out.
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

// ground is the lowest of the chain's files, or 0 if only one run is of it.
func (r *runs) ground() (ground uint16) {
	count := 0
	for _, x := range r.list[:r.n] {
		switch {
		case x.source == 0 || x.source == sourceOwn || ground != 0 && x.source > ground:
		case x.source == ground:
			count++
		default:
			ground, count = x.source, 1
		}
	}
	if count < 2 {
		return 0
	}
	return ground
}

// bridge returns the last run of the ground that can be read in one go with
// run i, which is of it too.
func (r *runs) bridge(i int) (last int) {
	last = i
	for j := i + 1; j < r.n; j++ {
		switch x := r.list[j]; {
		case x.source == r.list[i].source:
			last = j
		case x.source == 0 || int64(x.end)-int64(r.list[last].end) > gapMax:
			return last
		}
	}
	return last
}

// readRuns reads a range that comes from several places.
func (v *view) readRuns(p []byte, off int64) (int, error) {
	var r runs
	end, done := blocksFor(off+int64(len(p))), 0
	for done < len(p) {
		at := off + int64(done)
		r.gather(v, at>>blockShift, end)
		part := p[done:min(len(p), done+int((r.first+r.blocks())<<blockShift-at))]
		if err := v.paint(&r, part, at); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

// paint fills p, which lies at off, from the ground up.
func (v *view) paint(r *runs, p []byte, off int64) error {
	read := func(i, last int) error {
		from := max(0, (r.first+r.start(i))<<blockShift-off)
		to := min(int64(len(p)), (r.first+int64(r.list[last].end))<<blockShift-off)
		return v.readFrom(r.list[i].source, p[from:to], off+from)
	}
	ground := r.ground()
	for i := 0; i < r.n && ground != 0; i++ {
		if r.list[i].source != ground {
			continue
		}
		last := r.bridge(i)
		err := read(i, last)
		if err != nil && last > i { // perhaps it is a gap that cannot be read
			last = i
			err = read(i, i)
		}
		if err != nil {
			return err
		}
		i = last
	}
	for i := range r.n {
		if ground != 0 && r.list[i].source == ground {
			continue
		}
		if err := read(i, i); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) readFrom(source uint16, p []byte, off int64) error {
	if source == sourceOwn {
		_, err := readFull(v.data, p, off)
		return err
	}
	return v.base.read(p, off, uint8(source))
}
