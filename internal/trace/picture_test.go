package trace

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// texts are what is written in a picture.
func texts(t *testing.T, svg []byte) (all []string) {
	t.Helper()
	inText := false
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			inText = x.Name.Local == "text"
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				all = append(all, string(x))
			}
		}
	}
}

func TestSVG(t *testing.T) {
	x := sample
	x.Machine = "<pc&01>"
	b := SVG(&x)
	got := texts(t, b)
	for _, want := range []string{
		"boot of debian:12 on <pc&01>, 2026-11-22 10:00:00 UTC", Sentence(&x), "offset", "read so far", "time since the first READ",
		"0 s", "0.5 s", "3 s", "0 B", "512 MiB", "4 GiB", "1 MiB", "the system logs in (2.0 s)", "runs (3.0 s)",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%q is not in it: %q", want, got)
		}
	}
	// The last READ: at the right end, at three quarters of the height.
	if want := "M1110 230h2v2h-2z"; !strings.Contains(string(b), want) {
		t.Errorf("no %s", want)
	}
	if got := texts(t, SVG(new(Trace))); !slices.Contains(got, "0 READs, 0 B of 0 B, 0 B of them distinct, in 0.0 s") {
		t.Errorf("nothing was read: %q", got)
	}
}

func TestPNG(t *testing.T) {
	b, err := PNG(&sample)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil || img.Bounds().Dx() != width || img.Bounds().Dy() != height {
		t.Fatalf("%v, %v", img.Bounds(), err)
	}
	p := palette()
	for at, want := range map[[2]int]ink{{1, 1}: paper, {1111, 231}: reads, {left, 300}: words} {
		if got := img.At(at[0], at[1]); got != p[want] {
			t.Errorf("at %v: %v, want %v", at, got, p[want])
		}
	}
	written := 0
	for y := range top / 2 {
		for x := range width {
			if img.At(x, y) == p[words] {
				written++
			}
		}
	}
	if written < 500 {
		t.Errorf("the title has %d dots", written)
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		most time.Duration
		n    int
		last float64
	}{{time.Millisecond, 11, 0.001}, {10 * time.Second, 11, 10}, {21 * time.Second, 5, 20}, {90 * time.Second, 10, 90}, {15 * time.Minute, 10, 900}} {
		got := timeTicks(c.most.Seconds())
		if last := got[len(got)-1]; len(got) != c.n || last < c.last*0.999 || last > c.last*1.001 {
			t.Errorf("%v: %v", c.most, got)
		}
	}
	for most, want := range map[int64][]int64{
		1: {0}, 4 << 30: {0, 512 << 20, 1 << 30, 1536 << 20, 2 << 30, 2560 << 20, 3 << 30, 3584 << 20, 4 << 30}, 1<<63 - 1: {0, 1 << 60, 2 << 60, 3 << 60, 4 << 60, 5 << 60, 6 << 60, 7 << 60},
	} {
		if got := byteTicks(most); !slices.Equal(got, want) {
			t.Errorf("%d: %v", most, got)
		}
	}
}
