package main

import (
	"context"
	"errors"
	"log/slog"

	"bootes.dev/internal/config"
)

// serve runs the server until ctx ends.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	return errors.New("serve: not wired yet")
}
