package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"bootes.dev/internal/lab/site"
)

// controlPath is the socket by which a kept lab is told, in one line, what to
// do.
const controlPath = runDir + "/control"

// consolePath is the socket of a machine's console.
func consolePath(machine string) string { return runDir + "/" + machine + ".console" }

const playOn = `
The lab stays up. To play on:

  machines, disks, boots   %[1]s machine list
                           %[1]s volume list
                           %[1]s boot log %[3]s
  console of a machine     %[2]s console %[3]s      (press Enter; root, password %[4]s; Ctrl-] leaves)
  press its reset button   %[2]s reset %[3]s
  a program in the lab     ip netns exec %[5]s ping 10.77.0.100
  tear it all down         make demo-down

`

// keep leaves the lab up until ctx ends.
func (d *demo) keep(ctx context.Context) error {
	for _, m := range d.machines {
		if err := m.guest.Share(consolePath(m.name)); err != nil {
			return err
		}
	}
	l, err := net.Listen("unix", controlPath)
	if err != nil {
		return fmt.Errorf("listen for commands: %w", err)
	}
	d.printf(playOn, d.Program+" --socket "+socket, d.Lab, d.machines[1].name, site.RootPassword, d.site.Net.Name())
	d.Keep()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listen for commands: %w", err)
		}
		go func() {
			defer c.Close()
			if err := d.command(ctx, c); err != nil {
				fmt.Fprintln(c, err)
			}
		}()
	}
}

// command runs the command of a client.
func (d *demo) command(ctx context.Context, c net.Conn) error {
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	name, reset := strings.CutPrefix(strings.TrimSpace(line), "reset ")
	if !reset {
		return fmt.Errorf("unknown command %q", line)
	}
	for _, m := range d.machines {
		if m.name == name {
			if err := m.guest.Reset(ctx); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c, "%s was reset: it boots again\n", name)
			return err
		}
	}
	return fmt.Errorf("no machine %q in the demo: there are %s and %s", name, d.machines[0].name, d.machines[1].name)
}

// Reset presses the reset button of a machine in a kept lab.
func Reset(name string, out io.Writer) error {
	c, err := dial(controlPath)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "reset %s\n", name); err != nil {
		return err
	}
	_, err = io.Copy(out, c)
	return err
}

func dial(path string) (net.Conn, error) {
	c, err := net.Dial("unix", path)
	if err != nil {
		return nil, fmt.Errorf("no demo with that machine is up (%w): start one with: make demo KEEP=1", err)
	}
	return c, nil
}

// Console joins a terminal to the console of a machine in a kept lab, until
// Ctrl-] is typed.
func Console(name string, in io.Reader, out io.Writer) error {
	c, err := dial(consolePath(name))
	if err != nil {
		return err
	}
	defer c.Close()
	go func() {
		defer c.Close()
		typeInto(c, in)
	}()
	_, err = io.Copy(out, c)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// leave is Ctrl-].
const leave = 0x1d

// typeInto sends what is typed, until Ctrl-] or the end.
func typeInto(c io.Writer, in io.Reader) {
	b := make([]byte, 256)
	for {
		n, err := in.Read(b)
		typed := b[:n]
		for i, k := range typed {
			if k == leave {
				typed, err = typed[:i], io.EOF
				break
			}
		}
		if _, e := c.Write(typed); e != nil || err != nil {
			return
		}
	}
}
