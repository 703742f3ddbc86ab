package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type imagePath struct {
	Name string `path:"name"`
	Tag  string `path:"tag"`
}

func (p *imagePath) ref() string { return p.Name + ":" + p.Tag }

func (s *Server) imageRoutes(a huma.API) {
	huma.Register(a, get("list-images", "/v1/images", "All images"),
		func(ctx context.Context, _ *struct{}) (*answer[[]Image], error) {
			return list(s.o.Images.Images(ctx))
		})
	huma.Register(a, get("get-image", "/v1/images/{name}/{tag}", "One image"),
		func(ctx context.Context, in *imagePath) (*answer[Image], error) {
			return reply(s.o.Images.Image(ctx, in.ref()))
		})
	huma.Register(a, operation(http.MethodDelete, "remove-image", "/v1/images/{name}/{tag}", "Remove an image", http.StatusNoContent),
		func(ctx context.Context, in *imagePath) (*struct{}, error) {
			return done(s.o.Images.RemoveImage(ctx, in.ref()))
		})
	op := operation(http.MethodPost, "import-image", "/v1/images", "Import an image", http.StatusOK)
	op.Description = "The answer is a stream of lines (application/x-ndjson): progress, and at last image or error."
	huma.Register(a, op, s.importImage)
}

// list is reply for lists: an empty one is [], never null.
func list[T any](items []T, err error) (*answer[[]T], error) {
	if items == nil {
		items = []T{}
	}
	return reply(items, err)
}

// done is reply where there is nothing to say.
func done(err error) (*struct{}, error) {
	if err != nil {
		return nil, problem(err)
	}
	return nil, nil
}
