package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (s *Server) loaderRoutes(a huma.API) {
	huma.Register(a, get("loaders", "/v1/loaders", "Which firmware is given which file"),
		func(ctx context.Context, _ *struct{}) (*answer[Loaders], error) {
			l, err := s.o.Loaders.Loaders(ctx)
			l.Folders, l.Loaders = orEmpty(l.Folders), orEmpty(l.Loaders)
			return reply(l, err)
		})
}

// Loaders asks which firmware is given which file.
func (c *Client) Loaders(ctx context.Context) (l Loaders, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/loaders", nil, &l)
}
