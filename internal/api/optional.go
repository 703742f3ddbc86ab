package api

import (
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// optional is a for routes that need a part which a server may lack.
func optional(a huma.API, has bool, what string) huma.API {
	if has {
		return a
	}
	g := huma.NewGroup(a)
	g.UseMiddleware(func(ctx huma.Context, _ func(huma.Context)) {
		_, w := humago.Unwrap(ctx)
		writeProblem(w, lacking(what))
	})
	return g
}

func lacking(what string) *Error { return Errorf(Missing, "this server does not offer %s", what) }
