package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// lookEvery is the time between two looks at the room.
const lookEvery = time.Second

// Terminals have a second screen, for programs that draw; leaving it brings back
// what was there.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

// watchRoom draws the room until ctx ends. A server that stops answering, which
// it does when it is started anew, is waited for.
func (a *app) watchRoom(ctx context.Context) error {
	boots, err := a.client().LatestBoots(ctx)
	if err != nil {
		return err
	}
	r := look(boots, room{}, a.now())
	fmt.Fprint(a.out, enterScreen)
	defer fmt.Fprint(a.out, leaveScreen)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for trouble := ""; ; {
		columns, rows := screen(a.out)
		a.draw(r.frame(a.ink(), a.now(), columns, rows, trouble))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		start := time.Now()
		boots, err = a.client().LatestBoots(ctx)
		tick.Reset(max(lookEvery, 10*time.Since(start))) // thousands of machines are a load
		if err != nil {
			trouble = fmt.Sprintf("as of %s: %v", r.at.Local().Format("15:04:05"), err)
			continue
		}
		r, trouble = look(boots, r, a.now()), ""
	}
}

// draw replaces what the terminal shows, line by line, so that nothing flickers.
func (a *app) draw(frame string) {
	fmt.Fprint(a.out, "\x1b[H", strings.ReplaceAll(frame, "\n", "\x1b[K\r\n"), "\x1b[K\x1b[J")
}
