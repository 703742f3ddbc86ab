package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

type leasePath struct {
	Address string `path:"address"`
	Force   bool   `query:"force" doc:"also while its client has it"`
}

func (s *Server) leaseRoutes(a huma.API) {
	huma.Register(a, get("list-leases", "/v1/leases", "All addresses that DHCP has given, expired ones too"),
		func(ctx context.Context, _ *struct{}) (*answer[[]Lease], error) {
			return list(s.o.Leases.Leases(ctx))
		})
	huma.Register(a, operation(http.MethodDelete, "remove-lease", "/v1/leases/{address}", "Forget who has an address", http.StatusNoContent),
		func(ctx context.Context, in *leasePath) (*struct{}, error) {
			return done(s.o.Leases.RemoveLease(ctx, in.Address, in.Force))
		})
}

// Leases lists the addresses that DHCP has given.
func (c *Client) Leases(ctx context.Context) (l []Lease, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/leases", nil, &l)
}

// RemoveLease forgets who has an address; with force also while its client has it.
func (c *Client) RemoveLease(ctx context.Context, address string, force bool) error {
	return c.call(ctx, http.MethodDelete, "/v1/leases/"+url.PathEscape(address)+"?force="+strconv.FormatBool(force), nil, nil)
}
