// Command bootes boots computers without disks: `bootes serve` is the server,
// and all other commands talk to it over its API (package api).
//
// This is the only package that wires: the servers know nothing of each
// other, and what passes between them passes here (serve.go and wire*.go).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The first signal ends the command in good order; NotifyContext is undone
	// then, so that a second one ends it at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
