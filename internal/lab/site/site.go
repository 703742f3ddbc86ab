// Package site is a running Boötes in a lab network, driven as a user drives
// it: by its config file and its command line. Tests, the demo and the
// benchmarks share it.
package site

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"bootes.dev/internal/golden"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/recorder"
)

// RootPassword is root's password in the images of the lab.
const RootPassword = "bootes"

// GoldenImage returns the path of the lab's golden image, building it the
// first time. progress is told of each stage of a build.
func GoldenImage(ctx context.Context, progress func(stage string, done, total int)) (string, error) {
	return golden.Cached(ctx, lab.CacheDir, golden.Options{RootPassword: RootPassword, Progress: progress})
}

// ToolsImage is GoldenImage with programs that try a disk hard.
func ToolsImage(ctx context.Context, progress func(stage string, done, total int)) (string, error) {
	return golden.Cached(ctx, lab.CacheDir, golden.Options{
		RootPassword: RootPassword, Packages: []string{"fio", "multipath-tools", "sg3-utils"}, Progress: progress,
	})
}

// Options say how a Site is set up.
type Options struct {
	Program string   // path of the bootes binary
	Config  string   // path of its config file
	Socket  string   // api.socket of that file
	As      []string // command line that runs the server as somebody else; empty: root
}

// Site is one server in one network.
type Site struct {
	Net *lab.Net
	Options

	mu     sync.Mutex
	server *lab.Process
}

// Start starts the server and waits until it answers.
func Start(ctx context.Context, n *lab.Net, o Options) (*Site, error) {
	s := &Site{Net: n, Options: o}
	return s, s.Serve(ctx)
}

// Serve starts the server, which must not be running, and waits until it
// answers.
func (s *Site) Serve(ctx context.Context) error {
	line := append(slices.Clone(s.As), s.Program, "serve", "--config", s.Config)
	p, err := s.Net.Start(lab.Program{Path: line[0], Args: line[1:], Log: "bootes.log"})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.server = p
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if _, err := s.CLI(ctx, "machine", "list"); err == nil {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("bootes serve ended: %w: %s", errors.Join(p.Err()), lastLines(p.Log))
		case <-ctx.Done():
			return fmt.Errorf("bootes serve does not answer: %s", lastLines(p.Log))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// lastLines is the end of a log file.
func lastLines(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// Server is the server's process as it was last started.
func (s *Site) Server() *lab.Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server
}

// CLI runs a bootes command and returns what it wrote. The error of a failed
// one is a *CommandError.
func (s *Site) CLI(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Program, append([]string{"--socket", s.Socket}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.String(), &CommandError{Args: args, Code: exit.ExitCode(), Text: errs.String()}
	}
	return out.String(), err
}

// CommandError is a bootes command that failed.
type CommandError struct {
	Args []string
	Code int
	Text string // what it wrote to standard error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("bootes %q: exit status %d: %s", e.Args, e.Code, e.Text)
}

// JSON runs a bootes command with -o json and decodes what it wrote.
func (s *Site) JSON(ctx context.Context, into any, args ...string) error {
	out, err := s.CLI(ctx, append(args, "-o", "json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("decode output of bootes %q: %w", args, err)
	}
	return nil
}

// Boots returns the last boots of a machine, newest first.
func (s *Site) Boots(ctx context.Context, machine string) (boots []recorder.Boot, err error) {
	return boots, s.JSON(ctx, &boots, "boot", "log", machine)
}

// Watch calls f with each boot event, in its own goroutine, until ctx ends.
func (s *Site) Watch(ctx context.Context, f func(recorder.Event)) error {
	cmd := exec.CommandContext(ctx, s.Program, "--socket", s.Socket, "boot", "watch", "-o", "json")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("watch boots: %w", err)
	}
	go func() {
		dec := json.NewDecoder(out)
		for {
			var e recorder.Event
			if dec.Decode(&e) != nil {
				break
			}
			f(e)
		}
		_ = cmd.Wait() // ended by the signal, or with the server
	}()
	return nil
}

// DirSize is the space in bytes that the files below a folder take on disk.
func DirSize(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		var st syscall.Stat_t
		if err == nil && syscall.Lstat(path, &st) == nil {
			n += st.Blocks * 512
		}
		return nil // what vanishes meanwhile takes no space
	})
	return n
}
