package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ink colours words on terminals that can. What a colour says, the words say, too.
type ink bool

func (a *app) ink() ink {
	return ink(terminal(a.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func (i ink) paint(code, s string) string {
	if !i || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (i ink) bold(s string) string   { return i.paint("1", s) }
func (i ink) faint(s string) string  { return i.paint("2", s) }
func (i ink) red(s string) string    { return i.paint("1;31", s) }
func (i ink) yellow(s string) string { return i.paint("33", s) }

// screen is the size of a terminal in characters; zeros if w is none.
func screen(w io.Writer) (columns, rows int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(size.Col), int(size.Row)
}
