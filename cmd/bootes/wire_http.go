package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/httpboot"
	"bootes.dev/internal/tftp"
)

func (h *house) script(ctx context.Context, r httpboot.ScriptRequest) (string, error) {
	text, err := h.boot.Script(ctx, boot.Asker{MAC: r.MAC, Remote: r.Remote.Addr(), Local: r.Local.Addr(), Facts: r.Facts})
	switch {
	case errors.Is(err, boot.ErrForbidden):
		h.counters.Script("forbidden")
		return "", fmt.Errorf("%w: %w", httpboot.ErrForbidden, err)
	case err != nil:
		h.counters.Script("failed")
	default:
		h.counters.Script("made")
	}
	return text, err
}

func (h *house) fetchedHTTP(f httpboot.Fetched) {
	outcome := "sent"
	if f.Err != nil {
		outcome = "failed"
	}
	h.counters.Transfer("http", outcome, f.Bytes, f.Took)
	h.boot.LoaderFetched(context.Background(), boot.Fetched{
		Name: f.Name, Proto: "HTTP", Remote: f.Remote.Addr(), Bytes: f.Bytes, Took: f.Took, Err: f.Err, Answered: true,
		Packet: f.Packet, Resent: f.Resent,
	})
}

func (h *house) askedHTTP(r httpboot.Asked) {
	h.boot.HTTPAsked(context.Background(), boot.Asked{Method: r.Method, Path: r.Path, Status: r.Status, Remote: r.Remote.Addr()})
}

func (h *house) fetchedTFTP(t tftp.Transfer) {
	if errors.Is(t.Err, tftp.ErrLastACK) { // many ROMs start what they have and never acknowledge its end
		t.Err = nil
	}
	h.counters.Transfer("tftp", transferOutcome(t), t.Bytes, t.Duration)
	if h.boot.Simulating(t.Simulation) {
		return
	}
	h.boot.LoaderFetched(context.Background(), boot.Fetched{
		Name: t.Name, Proto: "TFTP", Remote: t.Client.Addr(), Bytes: t.Bytes, Took: t.Duration, Aborted: t.Aborted, Err: t.Err,
		Answered: t.Answered, Restarted: errors.Is(t.Err, tftp.ErrRestarted), Block: t.Block, Resent: t.Resent, Repeated: t.Repeated,
	})
}

// transferOutcome is what became of a transfer, in a word.
func transferOutcome(t tftp.Transfer) string {
	switch {
	case t.Aborted && t.Err == nil:
		return "aborted"
	case t.Err == nil:
		return "sent"
	case errors.Is(t.Err, fs.ErrNotExist):
		return "missing"
	}
	return "failed"
}
