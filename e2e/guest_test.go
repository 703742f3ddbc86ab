//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/site"
)

// bootTime bounds a boot to the login prompt, two guests at a time, under
// software emulation.
const bootTime = 8 * time.Minute

// guest is a computer under test.
type guest struct {
	*lab.Guest
	t  *testing.T
	sh *lab.Shell
}

// during lets a subtest use a fixture and guests of its parent: what fails in
// them fails the subtest.
func during(t *testing.T, f *fixture, guests ...*guest) {
	parent := f.t
	set := func(t *testing.T) {
		f.t = t
		for _, g := range guests {
			g.t = t
		}
	}
	set(t)
	t.Cleanup(func() { set(parent) })
}

// boot switches guests on together and waits for their login prompts.
func boot(t *testing.T, guests ...*guest) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootTime)
	defer cancel()
	start := time.Now()
	var all []*lab.Guest
	for _, g := range guests {
		if err := g.PowerOn(ctx); err != nil {
			t.Fatal(err)
		}
		all = append(all, g.Guest)
	}
	if err := lab.WaitLogin(ctx, all...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d guests at their login prompts after %.0f s", len(guests), time.Since(start).Seconds())
	for _, g := range guests {
		g.login()
	}
}

func (g *guest) login() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 2*time.Minute)
	defer cancel()
	sh, err := g.Console().Login(ctx, "root", site.RootPassword)
	if err != nil {
		g.t.Fatal(err)
	}
	g.sh = sh
}

// run runs a shell command in the guest that must succeed.
func (g *guest) run(command string) string {
	g.t.Helper()
	out, err := g.try(command)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

func (g *guest) try(command string) (string, error) {
	ctx, cancel := context.WithTimeout(g.t.Context(), 4*time.Minute)
	defer cancel()
	out, err := g.sh.Run(ctx, command)
	return strings.ReplaceAll(out, "\r", ""), err
}

// want checks what a shell command in the guest prints.
func (g *guest) want(command, want string) {
	g.t.Helper()
	if got := g.run(command); got != want {
		g.t.Errorf("%s: %s = %q, want %q", g.Name(), command, got, want)
	}
}

// expect waits for a text on the guest's console.
func (g *guest) expect(ctx context.Context, within time.Duration, pattern string) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if _, err := g.Console().Expect(ctx, pattern); err != nil {
		return fmt.Errorf("%s: %w", g.Name(), err)
	}
	return nil
}

// address is the guest's IPv4 address.
func (g *guest) address() string {
	g.t.Helper()
	return g.run(`ip -4 -o addr show scope global | awk '{sub("/.*", "", $4); print $4}'`)
}

// noErrors fails if the guest's kernel has met an I/O error.
func (g *guest) noErrors() {
	g.t.Helper()
	if out, _ := g.try(`dmesg | grep -iE 'i/o error|remounting filesystem|detected conn error.*failed|ext4-fs error'`); out != "" {
		g.t.Errorf("%s has seen errors:\n%s", g.Name(), out)
	}
}
