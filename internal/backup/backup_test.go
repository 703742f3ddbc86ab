package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// plain is a disk in memory.
type plain []byte

func (p plain) WriteAt(b []byte, off int64) (int, error) { return copy(p[off:], b), nil }

func (p plain) Unmap(off, n int64) error {
	clear(p[off : off+n])
	return nil
}

// between tells the blocks in which now differs from before, nil being zeros,
// with some more, as an engine may.
func between(before, now []byte, rnd *rand.Rand) Changes {
	type run struct {
		off, n int64
		zero   bool
	}
	var runs []run
	for off := 0; off < len(now); off += BlockSize {
		block := now[off:min(off+BlockSize, len(now))]
		old := make([]byte, len(block))
		copy(old, before[min(off, len(before)):])
		if bytes.Equal(block, old) && rnd.IntN(8) > 0 {
			continue
		}
		r := run{int64(off), int64(len(block)), allZero(block) && rnd.IntN(2) == 0}
		if i := len(runs) - 1; i >= 0 && runs[i].off+runs[i].n == r.off && runs[i].zero == r.zero && rnd.IntN(4) > 0 {
			runs[i].n += r.n
			continue
		}
		runs = append(runs, r)
	}
	return func(fn func(off, n int64, zero bool) error) error {
		for _, r := range runs {
			if err := fn(r.off, r.n, r.zero); err != nil {
				return err
			}
		}
		return nil
	}
}

func header(size int, since string) Header {
	return Header{
		Volume: "pc14", Machine: "pc14", Image: "debian:12", Snapshot: "monday", Size: int64(size),
		State: "0198c0de-0000-7000-8000-000000000002", Since: since, Created: time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC),
	}
}

const earlier = "0198c0de-0000-7000-8000-000000000001"

// scribble changes some runs of disk to data or zeros.
func scribble(disk []byte, rnd *rand.Rand) {
	src := rand.NewChaCha8([32]byte{byte(rnd.Uint32())})
	for range 1 + rnd.IntN(12) {
		at := rnd.IntN(len(disk))
		end := min(len(disk), at+1+rnd.IntN(1<<rnd.IntN(22)))
		if rnd.IntN(3) == 0 {
			clear(disk[at:end])
		} else {
			src.Read(disk[at:end])
		}
	}
}

func write(t testing.TB, h Header, disk []byte, changes Changes) []byte {
	t.Helper()
	var b bytes.Buffer
	st, err := Write(t.Context(), &b, h, bytes.NewReader(disk), changes, nil)
	if err != nil {
		t.Fatal(err)
	}
	if st.Stream != int64(b.Len()) {
		t.Errorf("stream of %d bytes, said %d", b.Len(), st.Stream)
	}
	return b.Bytes()
}

func apply(r io.Reader, disk plain) (Header, Stats, error) {
	d, err := NewReader(r)
	if err != nil {
		return Header{}, Stats{}, err
	}
	st, err := Apply(context.Background(), d, disk, nil)
	return d.Header(), st, err
}

func TestRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 60 {
		size := 512 * (1 + rnd.IntN(9000))
		disk := make(plain, size)
		scribble(disk, rnd)
		stream := write(t, header(size, ""), disk, between(nil, disk, rnd))
		got := make(plain, size)
		h, st, err := apply(bytes.NewReader(stream), got)
		if err != nil || !bytes.Equal(got, disk) {
			t.Fatalf("%d: full: %v, equal %v", i, err, bytes.Equal(got, disk))
		}
		want := header(size, "")
		want.Data = h.Data
		if h != want || st.Zeroed != 0 || st.Data > h.Data || st.Stream != int64(len(stream)) {
			t.Fatalf("%d: header %+v, %+v", i, h, st)
		}

		now := bytes.Clone(disk)
		if rnd.IntN(2) == 0 { // grown
			now = append(now, make([]byte, 512*rnd.IntN(3000))...)
		}
		scribble(now, rnd)
		stream = write(t, header(len(now), earlier), now, between(disk, now, rnd))
		got = append(got, make([]byte, len(now)-len(got))...)
		if _, _, err := apply(iotest.HalfReader(bytes.NewReader(stream)), got); err != nil || !bytes.Equal(got, now) {
			t.Fatalf("%d: difference: %v, equal %v", i, err, bytes.Equal(got, now))
		}
	}
}

// TestRecords: neighbours are joined, up to MaxData; zeros of any length are
// one record, and none where they add nothing.
func TestRecords(t *testing.T) {
	const mib = 1 << 20
	disk := make(plain, 8*mib)
	for i := range disk[:3*mib] {
		disk[i] = 1
	}
	disk[7*mib] = 1
	changes := func(fn func(off, n int64, zero bool) error) error {
		return errors.Join(fn(BlockSize, mib, false), fn(BlockSize+mib, mib, false), fn(3*mib, mib, false), fn(4*mib, mib, true), fn(7*mib, mib, false))
	}
	for since, want := range map[string]string{
		"":      "data 4096+1048576 data 1052672+1048576 data 7340032+4096 ",
		earlier: "data 4096+1048576 data 1052672+1048576 zero 3145728+2097152 data 7340032+4096 zero 7344128+1044480 ",
	} {
		r, err := NewReader(bytes.NewReader(write(t, header(len(disk), since), disk, changes)))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&got, "%s %d+%d ", map[bool]string{true: "zero", false: "data"}[rec.Zero], rec.Off, rec.Len)
		}
		if got.String() != want {
			t.Errorf("since %q:\n%s\nwant\n%s", since, got.String(), want)
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
	}
}

func TestProgressAndEnd(t *testing.T) {
	const size = 5 << 20
	disk := plain(bytes.Repeat([]byte{7}, size))
	all := func(fn func(off, n int64, zero bool) error) error { return fn(0, size, false) }
	var b bytes.Buffer
	var last int64
	count := func(done, total int64) {
		if total != size || done <= last {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	}
	if _, err := Write(t.Context(), &b, header(size, ""), bytes.NewReader(disk), all, count); err != nil || last != size {
		t.Fatalf("%v after %d", err, last)
	}
	r, err := NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	last = 0
	if _, err := Apply(t.Context(), r, make(plain, size), count); err != nil || last != size {
		t.Fatalf("%v after %d", err, last)
	}

	ctx, cancel := context.WithCancel(t.Context())
	stop := func(done, total int64) { cancel() }
	if _, err := Write(ctx, &b, header(size, ""), bytes.NewReader(disk), all, stop); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	r, _ = NewReader(bytes.NewReader(write(t, header(size, ""), disk, all)))
	if _, err := Apply(ctx, r, make(plain, size), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestFailures: whose fault it is can be told.
func TestFailures(t *testing.T) {
	const size = 2 << 20
	disk := plain(bytes.Repeat([]byte{7}, size))
	all := func(fn func(off, n int64, zero bool) error) error { return fn(0, size, false) }
	boom := errors.New("boom")
	var format *FormatError

	if _, err := Write(t.Context(), failing{boom}, header(size, ""), bytes.NewReader(disk), all, nil); !errors.Is(err, boom) {
		t.Errorf("writer: %v", err)
	}
	if _, err := Write(t.Context(), io.Discard, header(size, ""), bytes.NewReader(disk[:size/2]), all, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short disk: %v", err)
	}
	stream := write(t, header(size, ""), disk, all)
	for _, n := range []int{0, 5, 100, 1 << 20} {
		_, _, err := apply(io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(boom)), make(plain, size))
		if !errors.Is(err, boom) || errors.As(err, &format) {
			t.Errorf("source fails after %d: %v", n, err)
		}
	}
	for _, bad := range []struct{ off, n int64 }{{1, 4096}, {0, 100}, {0, 0}, {0, size + 4096}, {size, 4096}, {-4096, 4096}} {
		one := func(fn func(off, n int64, zero bool) error) error { return fn(bad.off, bad.n, true) }
		if _, err := Write(t.Context(), io.Discard, header(size, ""), bytes.NewReader(disk), one, nil); err == nil {
			t.Errorf("changes at %d+%d were taken", bad.off, bad.n)
		}
	}
	twice := func(fn func(off, n int64, zero bool) error) error {
		return errors.Join(fn(4096, 4096, true), fn(4096, 4096, true))
	}
	if _, err := Write(t.Context(), io.Discard, header(size, ""), bytes.NewReader(disk), twice, nil); err == nil {
		t.Error("changes out of order were taken")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestHeadersRefused(t *testing.T) {
	for name, change := range map[string]func(*Header){
		"no size":      func(h *Header) { h.Size = 0 },
		"odd size":     func(h *Header) { h.Size = 1000 },
		"huge":         func(h *Header) { h.Size = 8 << 50 },
		"no state":     func(h *Header) { h.State = "" },
		"path":         func(h *Header) { h.State = "../../etc" },
		"path before":  func(h *Header) { h.Since = "a/b" },
		"escape":       func(h *Header) { h.Volume = "\x1b[2J" },
		"long":         func(h *Header) { h.Machine = strings.Repeat("x", 300) },
		"data outside": func(h *Header) { h.Data = h.Size + 1 },
	} {
		h := header(4096, "")
		change(&h)
		if _, err := appendHeader(nil, h); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
