package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// noise makes content in which every block differs.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestTransferSizes(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 1024, 100_000} {
		for _, o := range []struct{ block, window int }{{512, 1}, {512, 4}, {1432, 1}, {1468, 16}, {8, 3}} {
			t.Run(fmt.Sprintf("%d/%dx%d", size, o.block, o.window), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					content := noise(size)
					b := newBench(t, serveBytes(content))
					got, err := b.fetch("f", o.block, o.window)
					if err != nil || !bytes.Equal(got, content) {
						t.Fatalf("got %d bytes, %v; want %d", len(got), err, size)
					}
					x := <-b.done
					if x.Err != nil || x.Aborted || x.Bytes != int64(size) || x.Name != "f" {
						t.Errorf("Done: %+v", x)
					}
				})
			})
		}
	}
}

func TestBlockNumbersWrap(t *testing.T) {
	for _, window := range []int{1, 7} {
		synctest.Test(t, func(t *testing.T) {
			content := noise(8 * 70_000) // more than 65,536 blocks
			b := newBench(t, serveBytes(content))
			got, err := b.fetch("f", 8, window)
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("window %d: got %d bytes, %v; want %d", window, len(got), err, len(content))
			}
			if x := <-b.done; x.Err != nil {
				t.Errorf("window %d: %v", window, x.Err)
			}
		})
	}
}

// A link that loses, doubles and swaps packets both ways must still carry
// every byte.
func TestTransferOverBadLink(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			content := noise(rng.IntN(60_000))
			b := newBench(t, serveBytes(content))
			b.port.filter, b.client.filter = badLink(seed, 1), badLink(seed, 2)
			got, err := b.fetch("f", 8+rng.IntN(1400), 1+rng.IntN(8))
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("seed %d: got %d bytes, %v; want %d", seed, len(got), err, len(content))
			}
			x := <-b.done // the last ACK may be lost; nothing else may fail
			if x.Err != nil && !errors.Is(x.Err, ErrLastACK) {
				t.Errorf("seed %d: %v", seed, x.Err)
			}
		})
	}
}

func badLink(seed, direction uint64) func(p []byte) [][]byte {
	rng := rand.New(rand.NewPCG(seed, direction))
	var held []byte
	return func(p []byte) [][]byte {
		switch k := rng.IntN(100); {
		case k < 10:
			return nil
		case k < 15:
			return [][]byte{p, p}
		case k < 20 && held == nil:
			held = slices.Clone(p)
			return nil
		case held != nil:
			out := [][]byte{p, held}
			held = nil
			return out
		}
		return [][]byte{p}
	}
}

// Every ACK arrives twice: every block must still be sent only once.
func TestNoSorcerersApprentice(t *testing.T) {
	for _, window := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			content := noise(512 * 40)
			b := newBench(t, serveBytes(content))
			sent := 0
			b.port.filter = func(p []byte) [][]byte {
				if p[1] == opDATA {
					sent++
				}
				return [][]byte{p}
			}
			b.client.filter = func(p []byte) [][]byte { return [][]byte{p, p} }
			got, err := b.fetch("f", 512, window)
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("got %d bytes, %v", len(got), err)
			}
			<-b.done
			if sent != 41 {
				t.Errorf("window %d: %d DATA packets for 41 blocks", window, sent)
			}
		})
	}
}

func TestRetransmissionBacksOff(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options []option
		want    []time.Duration // between the sends
	}{
		{"default", nil, []time.Duration{500 * time.Millisecond, 1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}},
		{"timeout option", []option{{"timeout", "3"}}, []time.Duration{3 * time.Second, 6 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second}},
		{"long timeout option", []option{{"timeout", "8"}}, slices.Repeat([]time.Duration{8 * time.Second}, 5)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, serveBytes(noise(2000)))
				b.ask("f", tt.options...)
				first := b.next(time.Second)
				last := time.Now()
				for i, want := range tt.want {
					p := b.next(time.Minute)
					if !bytes.Equal(p, first) {
						t.Fatalf("repeat %d differs from the first packet", i)
					}
					if d := time.Since(last); d != want {
						t.Errorf("repeat %d after %v, want %v", i, d, want)
					}
					last = time.Now()
				}
				if p := b.next(time.Minute); p != nil {
					t.Errorf("still sending: % x", p)
				}
				if x := <-b.done; !errors.Is(x.Err, ErrTimeout) {
					t.Errorf("Done: %v, want ErrTimeout", x.Err)
				}
			})
		})
	}
}

// Over a link on which a block takes longer than our shortest time-out, blocks
// are not sent again for ever.
func TestNarrowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const blocks = 50
		b := newBench(t, serveBytes(noise(512*blocks-1)))
		b.ask("f", option{"tsize", "0"})
		b.next(time.Second)
		b.ack(0)
		for n := range uint16(blocks) {
			for binary.BigEndian.Uint16(b.next(time.Minute)[2:]) != n+1 {
			}
			time.Sleep(600 * time.Millisecond)
			b.ack(n + 1)
		}
		if x := <-b.done; x.Err != nil || x.Resent > 4 {
			t.Errorf("%d windows of %d were sent again, %v", x.Resent, blocks, x.Err)
		}
	})
}

// A client that is there asks for the block that it lacks, by its last ACK.
func TestRepeatedACK(t *testing.T) {
	for _, repeats := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, serveBytes(noise(2000)))
			b.ask("f")
			b.next(time.Second)
			b.ack(1)
			b.ack(1)
			b.next(time.Second)
			b.ack(2)
			for range repeats {
				b.next(time.Second)
				b.ack(2)
			}
			if x := <-b.done; x.Repeated != repeats || x.Bytes != 1024 {
				t.Errorf("%d bytes, last ACK repeated %d times, want %d", x.Bytes, x.Repeated, repeats)
			}
		})
	}
}

func TestLastACKLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, serveBytes(noise(700)))
		b.ask("f")
		b.next(time.Second)
		b.ack(1)
		b.next(time.Second)
		if x := <-b.done; !errors.Is(x.Err, ErrLastACK) || x.Bytes != 512 {
			t.Errorf("Done: %+v, want ErrLastACK after 512 bytes", x)
		}
	})
}

func TestClientAborts(t *testing.T) {
	abort := appendError(nil, codeOptionsFail, "User aborted the transfer")
	t.Run("after tsize", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, serveBytes(noise(5000)))
			b.ask("snponly.efi", option{"tsize", "0"}, option{"blksize", "1468"})
			want := appendOACK(nil, []option{{"tsize", "5000"}, {"blksize", "1468"}})
			if p := b.next(time.Second); !bytes.Equal(p, want) {
				t.Fatalf("OACK %q, want %q", p, want)
			}
			b.client.Write(abort)
			if x := <-b.done; x.Err != nil || !x.Aborted || x.Bytes != 0 {
				t.Errorf("Done: %+v, want Aborted and no error", x)
			}
		})
	})
	t.Run("in the middle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, serveBytes(noise(5000)))
			b.ask("f")
			b.next(time.Second)
			b.ack(1)
			b.client.Write(abort)
			if x := <-b.done; !errors.Is(x.Err, ErrAborted) || !x.Aborted || x.Bytes != 512 {
				t.Errorf("Done: %+v, want ErrAborted after 512 bytes", x)
			}
		})
	})
}

// An ACK from the middle of a window means a gap: go on from there at once.
func TestWindowGapIsRepairedWithoutTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, serveBytes(noise(512*8)))
		b.ask("f", option{"windowsize", "4"})
		b.next(time.Second) // OACK
		b.ack(0)
		began := time.Now()
		for range 4 {
			b.next(time.Second)
		}
		b.ack(2)
		for want := uint16(3); want <= 6; want++ {
			p := b.next(time.Second)
			if got := binary.BigEndian.Uint16(p[2:]); got != want {
				t.Fatalf("block %d, want %d", got, want)
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("repair took %v, want none", d)
		}
	})
}

// shrinking is a file that lost its end after it was opened.
type shrinking struct{ bytesFile }

func (s shrinking) Size() int64 { return s.bytesFile.Size() + 1000 }

func TestFileShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, serveBytes(nil))
		b.server.Open = opener(shrinking{Bytes(noise(600)).(bytesFile)}, nil)
		_, err := b.fetch("f", 512, 1)
		if err == nil || err.Error() != "error 0: server error" {
			t.Errorf("client saw %v", err)
		}
		if x := <-b.done; !errors.Is(x.Err, io.ErrUnexpectedEOF) {
			t.Errorf("Done: %v", x.Err)
		}
	})
}
