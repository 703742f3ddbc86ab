package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
)

func TestImport(t *testing.T) {
	w := newWorld()
	shown := make(chan struct{})
	disk := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(disk, []byte("the disk"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.onImport = func(_ context.Context, j api.Import, progress func(api.Progress)) (api.Image, error) {
		progress(api.Progress{Step: "import", Done: 4, Total: 8})
		select {
		case <-shown:
		case <-time.After(10 * time.Second):
		}
		b, err := os.ReadFile(j.Path)
		if string(b) != "the disk" || j.Source != disk || j.Identity {
			err = errors.Join(err, errors.New("read: "+string(b)+", source: "+j.Source))
		}
		return api.Image{Ref: j.Ref, Size: 8, Stored: 4096, Digest: "sha256:ff"}, err
	}
	socket := serveWorld(t, w)
	var out bytes.Buffer
	errs := &until{text: "8 B\n", done: sync.OnceFunc(func() { close(shown) })}
	a := &app{out: &out, errs: errs, now: func() time.Time { return now }}
	code := a.run(t.Context(), []string{"image", "import", "a:1", disk, "--socket", socket})
	if code != 0 || out.String() != "imported a:1: 8 B, 4 KiB stored, sha256:ff\n" || errs.b.String() != "importing a:1: import   50 %  4 B of 8 B\n" {
		t.Errorf("code %d\n%s%s", code, &out, &errs.b)
	}
}

func TestInterruptedImport(t *testing.T) {
	w := newWorld()
	disk := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(disk, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	dropped := make(chan struct{})
	w.onImport = func(ctx context.Context, _ api.Import, _ func(api.Progress)) (api.Image, error) {
		interrupt()
		<-ctx.Done()
		close(dropped)
		return api.Image{}, ctx.Err()
	}
	socket := serveWorld(t, w)
	out, errs, code := bootesUntil(ctx, "image", "import", "a:1", disk, "--socket", socket)
	if code != exitInterrupted || out != "" || errs != "bootes: interrupted\n" {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
	select {
	case <-dropped:
	case <-time.After(5 * time.Second):
		t.Error("the server goes on with the import")
	}
}

// until is a writer that calls done when it has seen a text.
type until struct {
	mu   sync.Mutex
	b    bytes.Buffer
	text string
	done func()
}

func (u *until) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.b.Write(p)
	if strings.Contains(u.b.String(), u.text) {
		u.done()
	}
	return len(p), nil
}

func TestWatch(t *testing.T) {
	w := newWorld()
	socket := serveWorld(t, w)
	for format, want := range map[string]string{
		"table": "12:00:00.000  pc01              firmware  asks\n12:00:01.500  52:54:00:00:00:99            ERROR: unknown?[31m\n",
		"json": `{"time":"2026-01-02T12:00:00Z","machine":"pc01","stage":"firmware","level":"info","text":"asks"}` + "\n" +
			`{"time":"2026-01-02T12:00:01.5Z","mac":"52:54:00:00:00:99","level":"error","text":"unknown\u001b[31m"}` + "\n",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &until{text: "[31m", done: cancel}
		a := &app{out: out, errs: &bytes.Buffer{}, now: func() time.Time { return now }}
		told := make(chan struct{})
		go func() { // as nobody can tell when the watch has begun, tell until it is heard
			defer close(told)
			for ctx.Err() == nil {
				time.Sleep(50 * time.Millisecond)
				w.Add(api.Event{Time: now, Machine: "pc01", Stage: recorder.StageFirmware, Text: "asks"})
				w.Add(api.Event{Time: now.Add(1500 * time.Millisecond), MAC: "52:54:00:00:00:99", Level: recorder.Error, Text: "unknown\x1b[31m"})
			}
		}()
		code := a.run(ctx, []string{"boot", "watch", "--socket", socket, "-o", format})
		<-told
		if got := out.b.String(); code != 0 || !strings.HasPrefix(got, want) {
			t.Errorf("-o %s: code %d\ngot\n%swant\n%s", format, code, got, want)
		}
	}
	var stderr bytes.Buffer
	a := &app{out: &bytes.Buffer{}, errs: &stderr, now: time.Now}
	if code := a.run(t.Context(), []string{"boot", "watch", "--socket", socket + "x"}); code != exitUnreachable {
		t.Errorf("no server: code %d, %s", code, &stderr)
	}
}

func TestHumanFigures(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "just now", time.Minute: "60 s ago", 5 * time.Minute: "5 min ago", 3 * time.Hour: "3 h ago", 72 * time.Hour: "3 days ago",
		100 * 24 * time.Hour: "2025-09-24", -time.Hour: "2026-01-02 13:00", -time.Second: "just now",
	} {
		if got := ago(now, now.Add(-d)); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := ago(now, time.Time{}); got != "-" {
		t.Errorf("no time: %q", got)
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	clock := now
	p := &progress{w: &b, now: func() time.Time { return clock }, task: "importing a:1"}
	step := func(after time.Duration, u api.Progress) { clock = clock.Add(after); p.update(u) }
	step(0, api.Progress{Step: "convert", Total: 1 << 30})
	step(time.Second, api.Progress{Step: "convert", Done: 1 << 28, Total: 1 << 30}) // too soon for a line
	step(9*time.Second, api.Progress{Step: "convert", Done: 1 << 29, Total: 1 << 30})
	step(time.Second, api.Progress{Step: "import", Total: 1 << 30})
	step(20*time.Second, api.Progress{Step: "import", Done: 7})
	p.end()
	want := `importing a:1: convert    0 %  0 B of 1 GiB
importing a:1: convert   50 %  512 MiB of 1 GiB  51.2 MiB/s  10 s left
importing a:1: import    0 %  0 B of 1 GiB
importing a:1: import  7 B  0 B/s
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}

	b.Reset()
	p = &progress{w: &b, live: true, now: p.now, task: "importing a:1"}
	step(0, api.Progress{Total: 100})
	step(50*time.Millisecond, api.Progress{Done: 1, Total: 100})
	step(50*time.Millisecond, api.Progress{Done: 200, Total: 100})
	p.end()
	p.end()
	if want := "\rimporting a:1    0 %  0 B of 100 B\x1b[K\rimporting a:1  100 %  200 B of 100 B\x1b[K\r\x1b[K"; b.String() != want {
		t.Errorf("on a terminal: %q", b.String())
	}
}

func TestLeft(t *testing.T) {
	for d, want := range map[time.Duration]string{5 * time.Second: "5 s left", 5 * time.Minute: "5 min left", 5 * time.Hour: "5 h left", -1: ""} {
		if got := left(d); got != want {
			t.Errorf("%v: %q", d, got)
		}
	}
}
