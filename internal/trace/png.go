package trace

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// PNG is a picture of t.
func PNG(t *Trace) ([]byte, error) {
	c := &bitmap{image.NewPaletted(image.Rect(0, 0, width, height), palette())}
	draw(t, c)
	var b bytes.Buffer
	if err := png.Encode(&b, c.Paletted); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return b.Bytes(), nil
}

func palette() (p color.Palette) {
	for _, c := range colours {
		rgb, _ := strconv.ParseUint(c[1:], 16, 32) // they are constants
		p = append(p, color.RGBA{R: byte(rgb >> 16), G: byte(rgb >> 8), B: byte(rgb), A: 0xff})
	}
	return p
}

// bitmap is a canvas.
type bitmap struct{ *image.Paletted }

func (c *bitmap) bar(x, y, w, h int, k ink) {
	area := image.Rect(x, y, x+w, y+h).Intersect(c.Rect)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			c.SetColorIndex(x, y, uint8(k))
		}
	}
}

func (c *bitmap) text(x, y int, a anchor, s string, k ink) {
	d := font.Drawer{Dst: c, Src: image.NewUniform(c.Palette[k]), Face: basicfont.Face7x13}
	switch long := d.MeasureString(s).Round(); a {
	case middle:
		x -= long / 2
	case end:
		x -= long
	}
	d.Dot = fixed.P(x, y)
	d.DrawString(s)
}
