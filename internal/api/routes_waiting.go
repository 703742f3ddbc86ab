package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
)

type macPath struct {
	MAC string `path:"mac"`
}

type approvalBody struct {
	MAC  string `path:"mac"`
	Body Approval
}

func (s *Server) waitingRoutes(a huma.API) {
	const path = "/v1/waiting"
	huma.Register(a, get("list-waiting", path, "Machines that wait for approval"),
		func(ctx context.Context, _ *struct{}) (*answer[[]Waiting], error) {
			return list(s.o.Waiting.Waiting(ctx))
		})
	huma.Register(a, operation(http.MethodPost, "approve-machine", path+"/{mac}/approval", "Add a machine that waits; it goes on at once", http.StatusCreated),
		func(ctx context.Context, in *approvalBody) (*answer[Machine], error) {
			return s.machine(s.o.Waiting.Approve(ctx, in.MAC, in.Body))
		})
	huma.Register(a, operation(http.MethodDelete, "dismiss-waiting", path+"/{mac}", "Take a machine from the list; it is back when it asks again", http.StatusNoContent),
		func(ctx context.Context, in *macPath) (*struct{}, error) {
			return done(s.o.Waiting.Dismiss(ctx, in.MAC))
		})
}

// Waiting lists the machines that wait for approval.
func (c *Client) Waiting(ctx context.Context) (l []Waiting, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/waiting", nil, &l)
}

// Approve adds a machine that waits.
func (c *Client) Approve(ctx context.Context, mac string, a Approval) (m Machine, err error) {
	return m, c.call(ctx, http.MethodPost, waitingURL(mac)+"/approval", a, &m)
}

// Dismiss takes a machine from the list of those that wait.
func (c *Client) Dismiss(ctx context.Context, mac string) error {
	return c.call(ctx, http.MethodDelete, waitingURL(mac), nil, nil)
}

func waitingURL(mac string) string { return "/v1/waiting/" + url.PathEscape(mac) }
