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

type ticketPath struct {
	Ticket string `path:"ticket"`
}

func (s *Server) simulationRoutes(a huma.API) {
	const path = "/v1/simulations"
	huma.Register(a, operation(http.MethodPost, "simulate", path, "Let clients be served as machines, without a trace, for some minutes", http.StatusCreated),
		func(ctx context.Context, in *newSimulationBody) (*answer[Simulation], error) {
			return reply(s.o.Simulations.Simulate(ctx, in.Body))
		})
	huma.Register(a, get("simulation-remarks", path+"/{ticket}/remarks", "What the server did with the packets of a simulation, and why"),
		func(ctx context.Context, in *ticketPath) (*answer[[]string], error) {
			return list(s.o.Simulations.Remarks(ctx, in.Ticket))
		})
	huma.Register(a, operation(http.MethodDelete, "end-simulation", path+"/{ticket}", "End a simulation", http.StatusNoContent),
		func(ctx context.Context, in *ticketPath) (*struct{}, error) {
			return done(s.o.Simulations.EndSimulation(ctx, in.Ticket))
		})
}

// Simulate makes a ticket.
func (c *Client) Simulate(ctx context.Context, n NewSimulation) (sim Simulation, err error) {
	return sim, c.call(ctx, http.MethodPost, "/v1/simulations", n, &sim)
}

// Remarks are what the server did with the packets of a simulation.
func (c *Client) Remarks(ctx context.Context, ticket string) (l []string, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/simulations/"+url.PathEscape(ticket)+"/remarks", nil, &l)
}

// EndSimulation gives a ticket back.
func (c *Client) EndSimulation(ctx context.Context, ticket string) error {
	return c.call(ctx, http.MethodDelete, "/v1/simulations/"+url.PathEscape(ticket), nil, nil)
}
