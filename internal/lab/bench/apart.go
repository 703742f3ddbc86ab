package bench

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
)

// apart gives the target a core of its own, and its client another, as if they
// were two computers. Without, the scheduler at times has the client share the
// target's core, and nobody can tell whose speed is measured.
func (s *side) apart(ctx context.Context) error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	s.by = []string{"taskset", "-c", "1"}
	return s.mayUse(ctx, "0")
}

// together takes that back, for several clients, which would wait for each other.
func (s *side) together(ctx context.Context) error {
	s.by = nil
	return s.mayUse(ctx, fmt.Sprintf("0-%d", runtime.NumCPU()-1))
}

func (s *side) mayUse(ctx context.Context, cores string) error {
	if out, err := exec.CommandContext(ctx, "taskset", "-a", "-c", "-p", cores, strconv.Itoa(s.pid)).CombinedOutput(); err != nil {
		return fmt.Errorf("give %s the cores %s: %w: %s", s.name, cores, err, out)
	}
	return nil
}

// prompt is the side for a client that never waits for a core: as if it were on
// a computer of its own, where nobody else's client has work.
func (s *side) prompt() *side {
	p := *s
	p.by = []string{"chrt", "--fifo", "1"}
	return &p
}

// run runs a client to its end.
func (s *side) run(ctx context.Context, path string, args ...string) ([]byte, error) {
	line := append(slices.Clone(s.by), path)
	line = append(line, args...)
	return s.client.Run(ctx, line[0], line[1:]...)
}
