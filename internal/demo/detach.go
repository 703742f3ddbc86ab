package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stateDir holds what a kept demo leaves for `make demo-down`.
const stateDir = "/run/bootes-lab"

func statePath(name string) string { return filepath.Join(stateDir, name) }

// alone makes sure that this is the only demo on this computer, until the
// returned file is closed: its folders have fixed names.
func alone() (*os.File, error) {
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return nil, fmt.Errorf("make %q: %w", stateDir, err)
	}
	lock, err := os.OpenFile(statePath("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, errors.New("a demo is up or running already: if it was left up, end it with: make demo-down")
	}
	return lock, nil
}

// Detached runs the demo in a process of its own, which stays when this one
// ends, and shows its output until the lab is up.
func Detached(ctx context.Context, out io.Writer, args ...string) error {
	if pid, up := running(); up {
		return fmt.Errorf("a demo is up already (process %d): end it with: make demo-down", pid)
	}
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return fmt.Errorf("make %q: %w", stateDir, err)
	}
	_ = os.Remove(statePath("up"))
	log, err := os.Create(statePath("log"))
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = showUntilUp(ctx, out, ended)
	if ctx.Err() != nil {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	return err
}

func showUntilUp(ctx context.Context, out io.Writer, ended <-chan error) error {
	f, err := os.Open(statePath("log"))
	if err != nil {
		return err
	}
	defer f.Close()
	return followUntil(ctx, f, out, func() (bool, error) {
		select {
		case err := <-ended:
			return true, errors.Join(errors.New("the lab ended before it was up"), err)
		default:
			_, err := os.Stat(statePath("up"))
			return err == nil, nil
		}
	})
}

// MarkUp notes that the lab of this process is up.
func MarkUp() {
	_ = os.WriteFile(statePath("up"), []byte(strconv.Itoa(os.Getpid())), 0o644)
}

// running is the process of the kept demo, if there is one.
func running() (pid int, up bool) {
	b, err := os.ReadFile(statePath("up"))
	if err != nil {
		return 0, false
	}
	pid, err = strconv.Atoi(string(b))
	if err != nil {
		return 0, false
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return pid, err == nil && strings.Contains(string(args), "demo")
}

// Down ends a kept demo and waits until all of it is gone.
func Down(ctx context.Context, out io.Writer) error {
	pid, up := running()
	if !up {
		fmt.Fprintln(out, "no demo is up")
		return os.RemoveAll(stateDir)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the demo: %w", err)
	}
	for {
		if _, up := running(); !up {
			fmt.Fprintln(out, "the demo is down; nothing of it is left running")
			return os.RemoveAll(stateDir)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// followUntil copies a growing file to out from its beginning on until done
// returns true or an error.
func followUntil(ctx context.Context, f *os.File, out io.Writer, done func() (bool, error)) error {
	for {
		ended, err := done()
		if _, e := io.Copy(out, f); e != nil {
			return errors.Join(err, e)
		}
		if ended || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
