package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// LoginPrompt matches getty's prompt; the group is the host name.
const LoginPrompt = `(?m)^([a-zA-Z0-9.-]+) login: `

// WaitLogin waits until all guests show a login prompt. The error names the guest
// and shows the end of its console.
func WaitLogin(ctx context.Context, guests ...*Guest) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, g := range guests {
		group.Go(func() error {
			if _, err := g.Console().Expect(ctx, LoginPrompt); err != nil {
				return fmt.Errorf("boot guest %q: %w", g.Name(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Shell is a root shell on a guest's console, for one goroutine.
type Shell struct {
	console *Console
	count   int
}

// Login logs in at a prompt that Expect(LoginPrompt) has just seen.
func (c *Console) Login(ctx context.Context, user, password string) (*Shell, error) {
	if err := c.Send(user + "\n"); err != nil {
		return nil, err
	}
	if _, err := c.Expect(ctx, `Password: `); err != nil {
		return nil, fmt.Errorf("log in as %q: %w", user, err)
	}
	if err := c.Send(password + "\n"); err != nil {
		return nil, err
	}
	which, _, err := c.ExpectAny(ctx, `(?m)[#$] $`, `Login incorrect`)
	if err != nil {
		return nil, fmt.Errorf("log in as %q: %w", user, err)
	}
	if which == 1 {
		return nil, fmt.Errorf("log in as %q: login incorrect", user)
	}
	s := &Shell{console: c}
	// dash has no line editor, so what is typed is neither repainted nor
	// wrapped; the kernel's own messages would cut into answers.
	if err := c.Send("exec /bin/sh\nstty -echo; PS1=; PS2=; export PAGER=cat SYSTEMD_PAGER=cat; dmesg -n 1 2>/dev/null\n"); err != nil {
		return nil, err
	}
	if _, err := s.Run(ctx, "true"); err != nil {
		return nil, fmt.Errorf("log in as %q: %w", user, err)
	}
	return s, nil
}

// Run runs a shell command in the guest and returns what it wrote, without the
// last newline. A status other than 0 is an error that carries the output.
func (s *Shell) Run(ctx context.Context, command string) (string, error) {
	s.count++
	// The quotes keep a terminal's echo of this line from matching.
	line := fmt.Sprintf("echo 'B''EGIN'%d; { %s\n}; echo \"\"E''ND%d $?\n", s.count, command, s.count)
	if err := s.console.Send(line); err != nil {
		return "", err
	}
	pattern := fmt.Sprintf(`(?s)BEGIN%d\n(.*?)\n?END%d (\d+)`, s.count, s.count)
	match, err := s.console.Expect(ctx, pattern)
	if err != nil {
		return "", fmt.Errorf("run %q in the guest: %w", command, err)
	}
	status, err := strconv.Atoi(match[2])
	out := strings.TrimRight(match[1], "\n")
	if err != nil || status != 0 {
		return out, fmt.Errorf("run %q in the guest: status %s: %s", command, match[2], out)
	}
	return out, nil
}
