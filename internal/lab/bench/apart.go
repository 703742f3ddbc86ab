package bench

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
)

// apart gives the target a core of its own, and its client another, as if they
// were two computers. Without, the scheduler at times has the client share the
// target's core, and nobody can tell whose speed is measured.
func (s *side) apart(ctx context.Context) error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	s.isApart = true
	return s.mayUse(ctx, "0")
}

// together takes that back, for several clients, which would wait for each other.
func (s *side) together(ctx context.Context) error {
	s.isApart = false
	return s.mayUse(ctx, fmt.Sprintf("0-%d", runtime.NumCPU()-1))
}

func (s *side) mayUse(ctx context.Context, cores string) error {
	if out, err := exec.CommandContext(ctx, "taskset", "-a", "-c", "-p", cores, strconv.Itoa(s.pid)).CombinedOutput(); err != nil {
		return fmt.Errorf("give %s the cores %s: %w: %s", s.name, cores, err, out)
	}
	return nil
}

// run runs a client to its end.
func (s *side) run(ctx context.Context, path string, args ...string) ([]byte, error) {
	if s.isApart {
		path, args = "taskset", append([]string{"-c", "1", path}, args...)
	}
	return s.client.Run(ctx, path, args...)
}
