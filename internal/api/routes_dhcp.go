package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (s *Server) dhcpRoutes(a huma.API) {
	huma.Register(a, get("dhcp-status", "/v1/dhcp", "What is done with DHCP on each interface, and who else answers there"),
		func(ctx context.Context, _ *struct{}) (*answer[[]DHCPStatus], error) {
			l, err := s.o.DHCP.DHCP(ctx)
			for i := range l {
				l[i].Others = orEmpty(l[i].Others)
			}
			return list(l, err)
		})
}

// DHCP asks what is done with DHCP on each interface.
func (c *Client) DHCP(ctx context.Context) (l []DHCPStatus, err error) {
	return l, c.call(ctx, http.MethodGet, "/v1/dhcp", nil, &l)
}
