package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/quantile"
)

// phase of a stream.
const (
	warming int32 = iota
	measured
	over
)

// checkEvery so many READs the data is looked at; each time would be measured.
const checkEvery = 61

// generation of what streams write.
const generation = 1

// stream keeps one session's queue full, from its reader alone.
type stream struct {
	Stream
	disk  *initiator.Disk
	phase atomic.Int32
	done  chan struct{}

	// The reader's, once started.
	ops    []op
	rng    *rand.Rand
	places int64 // I/Os that the span has room for
	next   int64 // of a sequential stream
	out    int   // commands outstanding
	seen   int64
	marks  quantile.Histogram
	bytes  int64
	fault  error

	stamps  []byte // what a writer writes: an image of the span
	written []bool // places
}

// op is one of the queue's commands.
type op struct {
	cmd   initiator.Command
	off   int64
	place int64
	began time.Time
	s     *stream
}

func openStream(ctx context.Context, cfg Stream) (*stream, error) {
	d, err := cfg.open(ctx, cfg.Depth)
	if err != nil {
		return nil, err
	}
	s := &stream{Stream: cfg, disk: d, done: make(chan struct{}, 1), rng: rand.New(rand.NewPCG(rand.Uint64(), 1))}
	if left := max(0, d.Size()-s.From); s.Span == 0 || s.Span > left {
		s.Span = left
	}
	s.places = (s.Span - s.Shift) / int64(s.Size)
	if s.places < 1 {
		return nil, errors.Join(fmt.Errorf("%d bytes of a disk have no room for I/Os of %d", s.Span, s.Size), d.Session().Close())
	}
	if s.Write {
		s.stamps, s.written = make([]byte, s.Span), make([]bool, s.places)
		initiator.Stamp(s.stamps, s.From, generation)
	}
	s.ops = make([]op, s.Depth)
	for i := range s.ops {
		o := &s.ops[i]
		o.s = s
		o.cmd.Done = o.over
		if !s.Write {
			o.cmd.In = make([]byte, s.Size)
		}
	}
	return s, nil
}

func (s *stream) start() error {
	s.out = len(s.ops)
	// The first answers come when all are under way, so that only the reader
	// has the stream from then on.
	for i := range s.ops {
		s.ops[i].aim()
	}
	for i := range s.ops {
		if err := s.disk.Session().Start(&s.ops[i].cmd); err != nil {
			return err
		}
	}
	s.disk.Session().Send()
	return nil
}

// aim chooses the op's next place.
func (o *op) aim() {
	s := o.s
	if s.Random {
		o.place = s.rng.Int64N(s.places)
	} else {
		o.place = s.next
		s.next = (s.next + 1) % s.places
	}
	o.off = s.From + o.place*int64(s.Size) + s.Shift
	var err error
	if s.Write {
		s.written[o.place] = true
		at := o.off - s.From
		o.cmd.Out = s.stamps[at : at+int64(s.Size)]
		err = s.disk.Write(&o.cmd, o.off, s.Size)
	} else {
		err = s.disk.Read(&o.cmd, o.off, s.Size)
	}
	s.fail(err)
	o.began = time.Now()
}

func (s *stream) fail(err error) {
	if s.fault == nil {
		s.fault = err
	}
}

// over takes an answer and asks again. It runs on the reader.
func (o *op) over(c *initiator.Command) {
	s := o.s
	if c.Err != nil {
		s.fail(c.Err)
	} else if c.Result.Status != initiator.StatusGood {
		s.fail(c.Result.Err())
	}
	phase := s.phase.Load()
	if phase == measured {
		s.marks.Add(time.Since(o.began))
		s.bytes += int64(s.Size)
	}
	if s.seen++; s.Stamped && !s.Write && s.seen%checkEvery == 0 {
		s.fail(initiator.CheckStamp(c.In, o.off, 0))
	}
	if phase != over && s.fault == nil {
		o.aim()
		s.fail(s.disk.Session().Start(c))
		if s.fault == nil {
			return
		}
	}
	if s.out--; s.out == 0 {
		s.done <- struct{}{}
	}
}

func (s *stream) figures() Figures {
	f := figures(&s.marks)
	f.Bytes = s.bytes
	return f
}

// close reads back what was written, and ends the session.
func (s *stream) close(ctx context.Context) error {
	var err error
	if s.Write && !s.Forget && s.fault == nil && ctx.Err() == nil {
		err = s.verify(ctx)
	}
	if s.Forget {
		return errors.Join(err, s.disk.Session().Close())
	}
	return errors.Join(err, s.disk.Session().Logout(ctx))
}

// verifyAtOnce is the piece, in bytes, in which a disk is read back.
const verifyAtOnce = 1 << 20

// verify reads the span back and compares the places written.
func (s *stream) verify(ctx context.Context) error {
	p := make([]byte, verifyAtOnce)
	size := int64(s.Size)
	for place := int64(0); place < s.places; {
		n := min(max(verifyAtOnce/size, 1), s.places-place)
		off := place*size + s.Shift // from s.From on
		p = append(p[:0], make([]byte, n*size)...)
		if err := s.disk.ReadAt(ctx, p, s.From+off); err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		for i := range n {
			got, want := p[i*size:(i+1)*size], s.stamps[off+i*size:off+(i+1)*size]
			if s.written[place+i] && !bytes.Equal(got, want) {
				return fmt.Errorf("read back %d bytes at %d: not what was written", size, s.From+off+i*size)
			}
		}
		place += n
	}
	return nil
}
