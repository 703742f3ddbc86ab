package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

// progress shows how far a long task is: on a terminal in one line that
// changes, elsewhere in a line now and then.
type progress struct {
	w    io.Writer
	live bool
	now  func() time.Time
	task string

	mu    sync.Mutex
	step  string
	start time.Time // of the step
	shown time.Time
	dirty bool // the terminal's line is not empty
}

// quietly is the time between two lines that are no terminal's.
const quietly = 10 * time.Second

func (a *app) progress(task string) *progress {
	return &progress{w: a.errs, live: terminal(a.errs), now: a.now, task: task}
}

// track shows the progress of a long task that has one step, which its name
// tells.
func track[T any](a *app, task string, do func(progress func(api.Progress)) (T, error)) (T, error) {
	p := a.progress(task)
	defer p.end()
	return do(func(u api.Progress) { u.Step = ""; p.update(u) })
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// name changes what is being done.
func (p *progress) name(task string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.task = task
}

// update shows p if it is time to.
func (p *progress) update(u api.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	fresh := p.start.IsZero() || u.Step != p.step
	if fresh {
		p.step, p.start = u.Step, now
	}
	wait := quietly
	if p.live {
		wait = 100 * time.Millisecond
	}
	if !fresh && now.Sub(p.shown) < wait {
		return
	}
	p.shown = now
	line := p.line(u, now.Sub(p.start))
	if p.live {
		p.dirty = true
		fmt.Fprintf(p.w, "\r%s\x1b[K", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

func (p *progress) line(u api.Progress, spent time.Duration) string {
	parts := []string{clean(p.task)}
	if u.Step != "" {
		parts[0] += ": " + clean(u.Step)
	}
	switch {
	case u.Total > 0:
		parts = append(parts, fmt.Sprintf("%3d %%", min(u.Done, u.Total)*100/max(u.Total, 1)),
			bytesize.Format(u.Done)+" of "+bytesize.Format(u.Total))
	case u.Done > 0:
		parts = append(parts, bytesize.Format(u.Done))
	}
	if spent >= time.Second && u.Done > 0 {
		rate := float64(u.Done) / spent.Seconds()
		parts = append(parts, bytesize.Format(int64(rate))+"/s")
		if rest := u.Total - u.Done; rest > 0 {
			parts = append(parts, left(time.Duration(float64(rest)/rate*float64(time.Second))))
		}
	}
	return strings.Join(parts, "  ")
}

// end clears the terminal's line.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dirty {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.dirty = false
	}
}
