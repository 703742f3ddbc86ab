package trace

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bootes.dev/internal/bytesize"
)

// The picture: offset on the disk over time, and how much had been read by
// then. All is in pixels.
const (
	width, height = 1200, 720
	left, right   = 100, 90 // margins
	top, bottom   = 88, 56
	plotWidth     = width - left - right
	plotHeight    = height - top - bottom
	tick          = 6
	leastBar      = 2
)

// ink is what something is drawn in.
type ink int

const (
	paper ink = iota
	grid
	words
	reads
	sum
	step
)

var colours = [...]string{paper: "#ffffff", grid: "#e4e4e4", words: "#333333", reads: "#1f5fb4", sum: "#d9691e", step: "#2e7d32"}

// anchor is which part of a text is at its place.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

// canvas is what a picture is drawn on. y grows downwards; a text stands on it.
type canvas interface {
	bar(x, y, w, h int, c ink)
	text(x, y int, a anchor, s string, c ink)
}

// picture is where things are on it.
type picture struct {
	canvas
	t    *Trace
	took time.Duration // that the axis has room for
	size int64
	all  int64 // bytes, of the right axis
}

func draw(t *Trace, on canvas) {
	p := &picture{canvas: on, t: t, took: max(t.Took(), time.Millisecond), all: max(t.Bytes(), 1), size: max(t.Size, 1)}
	for _, m := range t.Marks {
		p.took = max(p.took, m.At)
	}
	for _, r := range t.Reads {
		p.size = max(p.size, r.Offset+r.Length)
	}
	on.bar(0, 0, width, height, paper)
	p.title()
	p.axes()
	p.reads()
	p.sum()
	p.marks()
}

func (p *picture) title() {
	what := "boot of " + p.t.Image
	if p.t.Machine != "" {
		what += " on " + p.t.Machine
	}
	if !p.t.Began.IsZero() {
		what += ", " + p.t.Began.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	p.text(left, 24, start, what, words)
	p.text(left, 44, start, Sentence(p.t), words)
	p.text(left, top-10, end, "offset", reads)
	p.text(width-right, top-10, start, "read so far", sum)
	p.text(left+plotWidth/2, height-14, middle, "time since the first READ", words)
}

// Sentence is what a trace comes to.
func Sentence(t *Trace) string {
	s := fmt.Sprintf("%d READs, %s of %s, %s of them distinct, in %s",
		len(t.Reads), bytesize.Format(t.Bytes()), bytesize.Format(t.Size), bytesize.Format(t.Distinct()), seconds(t.Took()))
	if t.Cut {
		s += "; cut off there"
	}
	return s
}

func (p *picture) x(at time.Duration) int { return left + int(float64(at)/float64(p.took)*plotWidth) }

func (p *picture) y(part, whole int64) int {
	return top + plotHeight - int(float64(part)/float64(whole)*plotHeight)
}

func (p *picture) axes() {
	for _, at := range timeTicks(p.took.Seconds()) {
		x := p.x(time.Duration(at * float64(time.Second)))
		p.bar(x, top, 1, plotHeight+tick, grid)
		p.text(x, top+plotHeight+20, middle, strconv.FormatFloat(at, 'g', 4, 64)+" s", words)
	}
	for _, off := range byteTicks(p.size) {
		p.bar(left-tick, p.y(off, p.size), plotWidth+tick, 1, grid)
		p.text(left-tick-4, p.y(off, p.size)+4, end, bytesize.Format(off), reads)
	}
	for _, n := range byteTicks(p.all) {
		p.bar(left+plotWidth, p.y(n, p.all), tick, 1, sum)
		p.text(left+plotWidth+tick+4, p.y(n, p.all)+4, start, bytesize.Format(n), sum)
	}
	p.bar(left, top, 1, plotHeight, words)
	p.bar(left+plotWidth, top, 1, plotHeight, words)
	p.bar(left, top+plotHeight, plotWidth+1, 1, words)
}

// reads draws each READ once, and of those that are in one place one.
func (p *picture) reads() {
	type place struct{ x, y, h int }
	drawn := map[place]bool{}
	for _, r := range p.t.Reads {
		low, high := p.y(r.Offset, p.size), p.y(r.Offset+r.Length, p.size)
		at := place{p.x(r.At), min(high, low-leastBar), max(low-high, leastBar)}
		if !drawn[at] {
			drawn[at] = true
			p.bar(at.x, at.y, leastBar, at.h, reads)
		}
	}
}

// sum draws steps, one a pixel of width at most.
func (p *picture) sum() {
	var n int64
	x, y := left, top+plotHeight
	for _, r := range p.t.Reads {
		n += r.Length
		nx, ny := p.x(r.At), p.y(n, p.all)
		if nx == x && ny == y {
			continue
		}
		p.bar(x, y, nx-x+1, 1, sum)
		p.bar(nx, ny, 1, y-ny+1, sum)
		x, y = nx, ny
	}
}

func (p *picture) marks() {
	marks := slices.SortedFunc(slices.Values(p.t.Marks), func(a, b Mark) int { return cmp.Compare(a.At, b.At) })
	for i, m := range marks {
		x := p.x(m.At)
		p.bar(x, top-4, 1, plotHeight+4, step)
		a, at := start, x+4
		if x > left+plotWidth/2 {
			a, at = end, x-4
		}
		p.text(at, top+14+16*(i%3), a, m.Text+" ("+seconds(m.At)+")", step)
	}
}

// timeTicks are some round numbers of seconds up to most: 1, 2 or 5 times a
// power of ten apart.
func timeTicks(most float64) (all []float64) {
	power, times := 1e-4, []float64{1, 2, 5}
	step := power
	for i := 1; most/step > 10; i++ {
		if i%len(times) == 0 {
			power *= 10
		}
		step = power * times[i%len(times)]
	}
	for n := 0.0; n*step <= most; n++ {
		all = append(all, n*step)
	}
	return all
}

// byteTicks are some round numbers of bytes up to most.
func byteTicks(most int64) (all []int64) {
	step := int64(sector)
	for most/step > 8 {
		step *= 2
	}
	for n := range most/step + 1 {
		all = append(all, n*step)
	}
	return all
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}
