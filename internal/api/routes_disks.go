package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type resize struct {
	ID   string `path:"id"`
	Body struct {
		Size   int64 `json:"size" minimum:"4096" multipleOf:"4096" doc:"bytes"`
		Shrink bool  `json:"shrink,omitempty" doc:"it may become smaller: what lies beyond the new end is lost"`
	}
}

func (s *Server) diskRoutes(a huma.API) {
	huma.Register(a, operation(http.MethodPost, "resize-volume", volumeRoot+"/resize", "Change the size of a volume", http.StatusOK), s.resize)
	huma.Register(a, operation(http.MethodPost, "reset-volume", volumeRoot+"/reset", "Take a volume back to its image", http.StatusOK),
		func(ctx context.Context, in *idPath) (*answer[Undone], error) {
			return s.undo(ctx, in.ID, func() error { return s.o.Disks.ResetVolume(ctx, in.ID) })
		})
	huma.Register(a, longTask("flatten-volume", volumeRoot+"/flatten", "Make a volume stand alone: merge what lies below it"),
		func(_ context.Context, in *idPath) (*huma.StreamResponse, error) {
			return task[Volume]{name: "flatten volume " + in.ID, run: func(ctx context.Context, progress func(Progress)) (Volume, error) {
				if err := s.o.Disks.FlattenVolume(ctx, in.ID, progress); err != nil {
					return Volume{}, err
				}
				v, err := s.o.Volumes.Volume(context.WithoutCancel(ctx), in.ID)
				return v.shown(), err
			}}.response(), nil
		})
}

func (s *Server) resize(ctx context.Context, in *resize) (*answer[Volume], error) {
	v, err := s.o.Volumes.Volume(ctx, in.ID)
	if err != nil {
		return replyVolume(v, err)
	}
	if in.Body.Size < v.Size && !in.Body.Shrink {
		return replyVolume(v, Errorf(Conflict, "resize volume %s: it has %d bytes, and %d are fewer: what lies beyond would be lost; --shrink allows it", v.ID, v.Size, in.Body.Size))
	}
	if err := s.o.Disks.ResizeVolume(ctx, in.ID, in.Body.Size); err != nil {
		return replyVolume(v, err)
	}
	return replyVolume(s.o.Volumes.Volume(ctx, in.ID))
}
