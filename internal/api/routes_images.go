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
			images, err := s.o.Images.Images(ctx)
			return list(each(images, Image.shown), err)
		})
	huma.Register(a, get("get-image", "/v1/images/{name}/{tag}", "One image"),
		func(ctx context.Context, in *imagePath) (*answer[Image], error) {
			i, err := s.o.Images.Image(ctx, in.ref())
			return reply(i.shown(), err)
		})
	huma.Register(a, operation(http.MethodDelete, "remove-image", "/v1/images/{name}/{tag}", "Remove an image", http.StatusNoContent),
		func(ctx context.Context, in *imagePath) (*struct{}, error) {
			return done(s.o.Images.RemoveImage(ctx, in.ref()))
		})
	huma.Register(a, passedTask("import-image", "/v1/images", "Import an image"), s.importImage)
	s.tagRoutes(optional(a, s.o.Tags != nil, "tags"))
	s.layerRoutes(optional(a, s.o.Layers != nil, "chains of layers"))
}

// shown has no list that is null in JSON.
func (i Image) shown() Image {
	i.Tags = orEmpty(i.Tags)
	return i
}

// list is reply for lists: an empty one is [], never null.
func list[T any](items []T, err error) (*answer[[]T], error) {
	return reply(orEmpty(items), err)
}

// each leaves items as they are: they belong to whoever returned them.
func each[T any](items []T, f func(T) T) []T {
	out := make([]T, len(items))
	for i, x := range items {
		out[i] = f(x)
	}
	return out
}

func orEmpty[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// done is reply where there is nothing to say.
func done(err error) (*struct{}, error) {
	if err != nil {
		return nil, problem(err)
	}
	return nil, nil
}
