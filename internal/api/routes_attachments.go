package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type newVolume struct{ Body NewVolume }

type attaching struct {
	Name string `path:"name"`
	Body AttachRequest
}

type detaching struct {
	Name  string `path:"name"`
	LUN   uint8  `path:"lun"`
	Force bool   `query:"force" doc:"also from a machine that runs and may be writing to it"`
}

func (s *Server) attachmentRoutes(a huma.API) {
	huma.Register(a, operation(http.MethodPost, "add-volume", "/v1/volumes", "Make a blank volume that machines can be given", http.StatusCreated),
		func(ctx context.Context, in *newVolume) (*answer[Volume], error) {
			return replyVolume(s.o.Attachments.CreateVolume(ctx, in.Body))
		})
	const disks = "/v1/machines/{name}/disks"
	huma.Register(a, operation(http.MethodPost, "attach-disk", disks, "Give a machine a volume or an image beside its own disk", http.StatusCreated),
		func(ctx context.Context, in *attaching) (*answer[Attached], error) {
			return reply(s.o.Attachments.Attach(ctx, in.Name, in.Body))
		})
	huma.Register(a, operation(http.MethodDelete, "detach-disk", disks+"/{lun}", "Take it away again", http.StatusOK),
		func(ctx context.Context, in *detaching) (*answer[Attached], error) {
			return reply(s.o.Attachments.Detach(ctx, in.Name, in.LUN, in.Force))
		})
}
