package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// controlPath is the socket by which a kept lab is told what to do: one line,
// and for a console, what is typed after it.
const controlPath = runDir + "/control"

const playOn = `
The lab stays up. To play on:

  machines, disks, boots   %[1]s machine list
                           %[1]s volume list
                           %[1]s boot log %[3]s
  console of a machine     %[2]s console %[3]s      (root, password %[4]s; Ctrl-] leaves)
  press its reset button   %[2]s reset %[3]s
  a program in the lab     ip netns exec %[5]s ping 10.77.0.100
  tear it all down         make demo-down

`

// keep leaves the lab up until ctx ends.
func (d *demo) keep(ctx context.Context) error {
	l, err := net.Listen("unix", controlPath)
	if err != nil {
		return fmt.Errorf("listen for commands: %w", err)
	}
	d.printf(playOn, d.Program+" --socket "+socket, d.Lab, d.machines[1].name, "bootes", d.site.Net.Name())
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

// command runs one command of a client.
func (d *demo) command(ctx context.Context, c net.Conn) error {
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	verb, name, _ := strings.Cut(strings.TrimSpace(line), " ")
	for _, m := range d.machines {
		if m.name != name {
			continue
		}
		switch verb {
		case "reset":
			if err := m.guest.Reset(ctx); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c, "%s was reset: it boots again\n", name)
			return err
		case "console":
			return d.console(m, c, r)
		}
		return fmt.Errorf("unknown command %q", verb)
	}
	return fmt.Errorf("no machine %q in the demo: there are %s and %s", name, d.machines[0].name, d.machines[1].name)
}

// console tells the client where the console's output is kept and types what
// the client sends.
func (d *demo) console(m *machine, c net.Conn, typed io.Reader) error {
	if _, err := fmt.Fprintln(c, m.guest.Console().Log); err != nil {
		return err
	}
	b := make([]byte, 1024)
	for {
		n, err := typed.Read(b)
		if n > 0 {
			if err := m.guest.Console().Send(string(b[:n])); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // the client has left
		}
	}
}

// Reset presses the reset button of a machine in a kept lab.
func Reset(name string, out io.Writer) error {
	c, err := dial("reset " + name)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.Copy(out, c)
	return err
}

func dial(command string) (net.Conn, error) {
	c, err := net.Dial("unix", controlPath)
	if err != nil {
		return nil, fmt.Errorf("no demo is up (%w): start one with: make demo KEEP=1", err)
	}
	if _, err := fmt.Fprintln(c, command); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Console joins a terminal to the console of a machine in a kept lab, until
// Ctrl-] is typed.
func Console(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	c, err := dial("console " + name)
	if err != nil {
		return err
	}
	defer c.Close()
	first, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	log, err := os.Open(strings.TrimSpace(first))
	if err != nil {
		return errors.New(strings.TrimSpace(first)) // not a path but the reason
	}
	defer log.Close()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		typeInto(c, in)
	}()
	return follow(ctx, log, out)
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
