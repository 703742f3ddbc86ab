package bench

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
)

// apart gives the target a core of its own, and every client another, as if they
// were two computers. Without, the scheduler at times has a client share the
// target's core, and nobody can tell whose speed is measured.
func (s *side) apart(ctx context.Context) error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	s.isApart = true
	if out, err := exec.CommandContext(ctx, "taskset", "-a", "-c", "-p", "0", strconv.Itoa(s.pid)).CombinedOutput(); err != nil {
		return fmt.Errorf("give %s a core of its own: %w: %s", s.name, err, out)
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
