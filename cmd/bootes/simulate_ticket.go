package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"bootes.dev/internal/api"
)

// roomGrant is all that a room needs of the server before it begins.
type roomGrant struct {
	Simulation api.Simulation `json:"simulation"`
	Trace      api.Trace      `json:"trace"`
}

// roomGrant asks the server for what a room needs, or reads it, or writes it.
func (a *app) roomGrant(ctx context.Context, f *roomFlags) (g roomGrant, err error) {
	if f.grant != "" {
		return a.readGrant(f.grant)
	}
	image, err := a.roomImage(ctx, f.image)
	if err != nil {
		return g, err
	}
	if g.Trace, err = a.client().Trace(ctx, image); err != nil {
		return g, err
	}
	if g.Simulation, err = a.client().Simulate(ctx, api.NewSimulation{MACs: roomMACs(f.machines), Image: image}); err != nil || f.writeGrant == "" {
		return g, err
	}
	if f.writeGrant == "-" {
		return g, json.NewEncoder(a.out).Encode(g)
	}
	out, err := createOut(f.writeGrant, false)
	if err != nil {
		return g, err
	}
	return g, out.finish(json.NewEncoder(out).Encode(g))
}

func (a *app) readGrant(path string) (g roomGrant, err error) {
	in := a.in
	if path != "-" {
		if in, err = os.Open(path); err != nil {
			return g, err
		}
		defer in.Close()
	}
	b, err := io.ReadAll(io.LimitReader(in, maxGrant))
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	switch {
	case err != nil:
		return g, withCode(exitUsage, fmt.Errorf("read ticket %q: %w", path, err))
	case len(g.Simulation.Machines) == 0 || g.Simulation.Ticket == "":
		return g, usage("%q holds no ticket: `bootes simulate --room N --write-ticket FILE` on the server writes one", path)
	}
	return g, nil
}

// maxGrant is more than the longest trace takes as JSON.
const maxGrant = 32 << 20
