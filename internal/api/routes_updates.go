package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type committing struct {
	ID   string `path:"id"`
	Body Commit
}

type updating struct {
	Name string `path:"name"`
	Body UpdateRequest
}

type publishing struct {
	Name string `path:"name"`
	Body Publish
}

func (s *Server) updateRoutes(a huma.API) {
	const update = "/v1/machines/{name}/update"
	huma.Register(a, operation(http.MethodPost, "commit-volume", volumeRoot+"/commit", "Make an image of a volume", http.StatusCreated),
		func(ctx context.Context, in *committing) (*answer[NewImage], error) {
			return replyNew(s.o.Updates.Commit(ctx, in.ID, in.Body))
		})
	huma.Register(a, operation(http.MethodPost, "start-update", update, "Let a machine boot a writable copy of an image", http.StatusCreated),
		func(ctx context.Context, in *updating) (*answer[Update], error) {
			return reply(s.o.Updates.StartUpdate(ctx, in.Name, in.Body.Image))
		})
	huma.Register(a, operation(http.MethodDelete, "cancel-update", update, "Throw the writable copy away", http.StatusOK),
		func(ctx context.Context, in *namePath) (*answer[Update], error) {
			return reply(s.o.Updates.CancelUpdate(ctx, in.Name))
		})
	huma.Register(a, operation(http.MethodPost, "publish-update", "/v1/machines/{name}/publish", "Make an image of the writable copy", http.StatusCreated),
		func(ctx context.Context, in *publishing) (*answer[NewImage], error) {
			return replyNew(s.o.Updates.Publish(ctx, in.Name, in.Body))
		})
}

func replyNew(n NewImage, err error) (*answer[NewImage], error) {
	n.Image = n.Image.shown()
	return reply(n, err)
}
