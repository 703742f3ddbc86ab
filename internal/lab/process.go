package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Program says what to run in the network.
type Program struct {
	Path string   // looked up in PATH when it holds no slash
	Args []string // without the program's own name
	Env  []string // added to the environment
	Dir  string   // working folder; default: the lab's
	Log  string   // file name for its output in the lab's folder; default: NAME.log; appended to
}

// Process is a program that runs in the network, in a process group of its own.
type Process struct {
	Log  string // path of the file that holds its output
	cmd  *exec.Cmd
	name string
	done chan struct{}
	err  error // set before done is closed
}

// Start runs a program in the network until it ends by itself, by Stop or by the
// end of the network.
func (n *Net) Start(p Program) (*Process, error) { return n.startIn(n.Do, p) }

// startIn starts a program on the thread that do stands for.
func (n *Net) startIn(do func(func() error) error, p Program) (*Process, error) {
	name := filepath.Base(p.Path)
	if p.Log == "" {
		p.Log = name + ".log"
	}
	if p.Dir == "" {
		p.Dir = n.dir
	}
	log, err := os.OpenFile(n.Path(p.Log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %q: %w", name, err)
	}
	defer log.Close()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, log, log
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.SysProcAttr = childAttr()
	if err := do(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %q: %w", name, err)
	}
	proc := &Process{Log: log.Name(), cmd: cmd, name: name, done: make(chan struct{})}
	go func() {
		proc.err = cmd.Wait()
		close(proc.done)
	}()
	n.onClose(func() error { proc.Kill(); return nil })
	return proc, nil
}

// childAttr gives a child a process group, to be killed as one, and has the
// kernel kill it when the lab's thread ends.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is how the process ended, nil for success; call it after Done is closed.
func (p *Process) Err() error { return p.err }

// Signal sends a signal to the process alone.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the process and its children at once, and waits for it.
func (p *Process) Kill() {
	select {
	case <-p.done: // its group id may be another's by now
	default:
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
		<-p.done
	}
}

// Stop asks the process to end by SIGTERM and kills it when ctx ends first.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %q: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stop %q: killed: %w", p.name, ctx.Err())
	}
}

// Run runs a program in the network to its end and returns what it wrote. The
// error of a failed one carries the end of that.
func (n *Net) Run(ctx context.Context, path string, args ...string) ([]byte, error) {
	return runIn(ctx, n.Do, n.dir, path, args...)
}

// runIn runs a program to its end on the thread that do stands for.
func runIn(ctx context.Context, do func(func() error) error, dir, path string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.SysProcAttr = childAttr()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := do(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %q: %w", path, err)
	}
	if err := cmd.Wait(); err != nil {
		return out.Bytes(), fmt.Errorf("run %q: %w: %s", path, err, tail(out.Bytes(), 10))
	}
	return out.Bytes(), nil
}

// tail is the last lines of a text.
func tail(b []byte, lines int) []byte {
	b = bytes.TrimRight(b, " \r\n")
	end := len(b)
	for range lines {
		i := bytes.LastIndexByte(b[:end], '\n')
		if i < 0 {
			return b
		}
		end = i
	}
	return b[end+1:]
}
