package trace

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// SVG is a picture of t.
func SVG(t *Trace) []byte {
	c := new(svg)
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13">`+"\n",
		width, height)
	draw(t, c)
	c.endPath()
	c.b.WriteString("</svg>\n")
	return c.b.Bytes()
}

// svg is a canvas. Bars of one ink that follow each other are one path: there
// may be ten thousands of them.
type svg struct {
	b    bytes.Buffer
	open bool
	ink  ink
}

func (c *svg) bar(x, y, w, h int, k ink) {
	if c.open && c.ink != k {
		c.endPath()
	}
	if !c.open {
		fmt.Fprintf(&c.b, `<path fill="%s" d="`, colours[k])
		c.open, c.ink = true, k
	}
	fmt.Fprintf(&c.b, "M%d %dh%dv%dh%dz", x, y, w, h, -w)
}

func (c *svg) endPath() {
	if c.open {
		c.b.WriteString(`"/>` + "\n")
		c.open = false
	}
}

func (c *svg) text(x, y int, a anchor, s string, k ink) {
	c.endPath()
	fmt.Fprintf(&c.b, `<text x="%d" y="%d" text-anchor="%s" fill="%s">`, x, y, a, colours[k])
	_ = xml.EscapeText(&c.b, []byte(s)) // a buffer takes all
	c.b.WriteString("</text>\n")
}
