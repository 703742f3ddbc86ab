package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type tagBody struct{ Body TagRequest }

type checkPath struct {
	Name string `path:"name"`
	Tag  string `path:"tag"`
	Card string `query:"card" pattern:"^([0-9a-f]{4}:[0-9a-f]{4})?$" doc:"PCI vendor and device of the machines' network card, such as 8086:100e: is its driver there?"`
}

func (s *Server) tagRoutes(a huma.API) {
	huma.Register(a, get("list-tags", "/v1/tags", "All tags"),
		func(ctx context.Context, _ *struct{}) (*answer[[]Tag], error) {
			return list(s.o.Tags.Tags(ctx))
		})
	huma.Register(a, operation(http.MethodPost, "set-tag", "/v1/tags", "Make or move a tag", http.StatusOK),
		func(ctx context.Context, in *tagBody) (*answer[Tag], error) {
			return reply(s.o.Tags.SetTag(ctx, in.Body.Ref, in.Body.Image))
		})
	huma.Register(a, operation(http.MethodDelete, "remove-tag", "/v1/tags/{name}/{tag}", "Remove a tag, not its image", http.StatusNoContent),
		func(ctx context.Context, in *imagePath) (*struct{}, error) {
			return done(s.o.Tags.RemoveTag(ctx, in.ref()))
		})
}

func (s *Server) layerRoutes(a huma.API) {
	const image = "/v1/images/{name}/{tag}"
	huma.Register(a, get("image-history", image+"/history", "The layers of an image, its own first"),
		func(ctx context.Context, in *imagePath) (*answer[[]HistoryLine], error) {
			return list(s.o.Layers.History(ctx, in.ref()))
		})
	huma.Register(a, longTask("verify-image", image+"/verify", "Read all of an image and compare it with its hashes"),
		func(_ context.Context, in *imagePath) (*huma.StreamResponse, error) {
			return task[Verified]{name: "verify image " + in.ref(), run: func(ctx context.Context, progress func(Progress)) (Verified, error) {
				v, err := s.o.Layers.VerifyImage(ctx, in.ref(), progress)
				v.Bad = orEmpty(v.Bad)
				return v, err
			}}.response(), nil
		})
	huma.Register(a, get("check-image", image+"/check", "Look into an image for what keeps machines from booting it"),
		func(ctx context.Context, in *checkPath) (*answer[Checked], error) {
			c, err := s.o.Layers.CheckImage(ctx, in.Name+":"+in.Tag, in.Card)
			c.Good, c.Faults = orEmpty(c.Good), orEmpty(c.Faults)
			return reply(c, err)
		})
	huma.Register(a, longTask("flatten-image", image+"/flatten", "Make an image stand alone: merge what lies below it"),
		func(_ context.Context, in *imagePath) (*huma.StreamResponse, error) {
			return task[Image]{name: "flatten image " + in.ref(), run: func(ctx context.Context, progress func(Progress)) (Image, error) {
				i, err := s.o.Layers.FlattenImage(ctx, in.ref(), progress)
				return i.shown(), err
			}}.response(), nil
		})
}
