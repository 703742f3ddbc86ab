package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
)

type newSimulationBody struct {
	Body NewSimulation
}

type simulationPath struct {
	ID string `path:"id"`
}

func (s *Server) simulationRoutes(a huma.API) {
	const path = "/v1/simulations"
	huma.Register(a, operation(http.MethodPost, "simulate", path, "Let clients be served as machines, without a trace, for some minutes", http.StatusCreated),
		func(ctx context.Context, in *newSimulationBody) (*answer[Simulation], error) {
			return reply(s.o.Simulations.Simulate(ctx, in.Body))
		})
	huma.Register(a, get("simulation-remarks", path+"/{id}/remarks", "What the server did with the packets of a simulation, and why"),
		func(ctx context.Context, in *simulationPath) (*answer[[]string], error) {
			return list(s.o.Simulations.Remarks(ctx, in.ID))
		})
	huma.Register(a, operation(http.MethodDelete, "end-simulation", path+"/{id}", "End a simulation", http.StatusNoContent),
		func(ctx context.Context, in *simulationPath) (*struct{}, error) {
			return done(s.o.Simulations.EndSimulation(ctx, in.ID))
		})
}

// Simulate begins a simulation.
func (c *Client) Simulate(ctx context.Context, n NewSimulation) (sim Simulation, err error) {
	return sim, c.call(ctx, http.MethodPost, "/v1/simulations", n, &sim)
}

// Remarks are what the server did with the packets of a simulation.
func (c *Client) Remarks(ctx context.Context, id string) (l []string, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/simulations/"+url.PathEscape(id)+"/remarks", nil, &l)
}

// EndSimulation ends a simulation.
func (c *Client) EndSimulation(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/simulations/"+url.PathEscape(id), nil, nil)
}
