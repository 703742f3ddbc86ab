// Command testrun is go test, with its arguments, that ends by saying in a few
// lines what failed: of a long output people and CI show the end. What go test says
// is passed on as it is, and its exit code is kept.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run runs go test and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	r := newReport()
	end := func(code int) int {
		if code != 0 {
			fmt.Fprint(stdout, r.text())
		}
		return code
	}
	cmd := exec.Command("go", append([]string{"test"}, args...)...)
	// go test passes on what says why a package was not built.
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	cmd.WaitDelay = 10 * time.Second // for what a test has left running
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(stderr, "testrun:", err)
		return 1
	}
	// Ctrl-C goes to all; who kills this one alone wants to know how far it came.
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stopped)
	ended := make(chan error, 1)
	read := make(chan struct{})
	go func() { defer close(read); r.read(bufio.NewReader(out), stdout) }()
	go func() { err := cmd.Wait(); in.Close(); ended <- err }()
	select {
	case s := <-stopped:
		_ = cmd.Process.Signal(s)
		fmt.Fprintf(stdout, "testrun: stopped by %s\n", s)
		return end(1)
	case err := <-ended:
		<-read
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && exit.ExitCode() > 0:
			return end(exit.ExitCode())
		case err != nil:
			fmt.Fprintln(stdout, "testrun:", err)
			return end(1)
		}
		return 0
	}
}
