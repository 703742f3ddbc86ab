package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type credentialsBody struct {
	Name string `path:"name"`
	Body CredentialsRequest
}

func (s *Server) credentialsRoutes(a huma.API) {
	const path = "/v1/machines/{name}/credentials"
	huma.Register(a, get("get-credentials", path, "What a machine's firmware or HBA logs in by, without the secrets"),
		func(ctx context.Context, in *namePath) (*answer[Credentials], error) {
			return reply(s.o.Credentials.Credentials(ctx, in.Name))
		})
	huma.Register(a, operation(http.MethodPost, "new-credentials", path, "Make credentials for a machine's firmware or HBA; the former ones end", http.StatusCreated),
		func(ctx context.Context, in *credentialsBody) (*answer[Credentials], error) {
			return reply(s.o.Credentials.NewCredentials(ctx, in.Name, in.Body))
		})
	huma.Register(a, operation(http.MethodDelete, "revoke-credentials", path, "Revoke them, and end their sessions", http.StatusNoContent),
		func(ctx context.Context, in *namePath) (*struct{}, error) {
			return done(s.o.Credentials.RevokeCredentials(ctx, in.Name))
		})
}

// Credentials returns a machine's static credentials, without the secrets.
func (c *Client) Credentials(ctx context.Context, machine string) (cr Credentials, err error) {
	return cr, c.call(ctx, http.MethodGet, machineURL(machine)+"/credentials", nil, &cr)
}

// NewCredentials makes static credentials for a machine; the former ones end.
func (c *Client) NewCredentials(ctx context.Context, machine string, r CredentialsRequest) (cr Credentials, err error) {
	return cr, c.call(ctx, http.MethodPost, machineURL(machine)+"/credentials", r, &cr)
}

// RevokeCredentials ends a machine's static credentials and their sessions.
func (c *Client) RevokeCredentials(ctx context.Context, machine string) error {
	return c.call(ctx, http.MethodDelete, machineURL(machine)+"/credentials", nil, nil)
}
