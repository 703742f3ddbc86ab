package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type idPath struct {
	ID string `path:"id"`
}

type volumeChange struct {
	ID   string `path:"id"`
	Body VolumeChange
}

func (s *Server) volumeRoutes(a huma.API) {
	huma.Register(a, get("list-volumes", "/v1/volumes", "All volumes"),
		func(ctx context.Context, _ *struct{}) (*answer[VolumeList], error) {
			l, err := s.o.Volumes.Volumes(ctx)
			l.Volumes = each(l.Volumes, Volume.shown)
			return reply(l, err)
		})
	huma.Register(a, get("get-volume", "/v1/volumes/{id}", "One volume"),
		func(ctx context.Context, in *idPath) (*answer[Volume], error) {
			return replyVolume(s.o.Volumes.Volume(ctx, in.ID))
		})
	huma.Register(a, operation(http.MethodPatch, "set-volume", "/v1/volumes/{id}", "Change a volume", http.StatusOK),
		func(ctx context.Context, in *volumeChange) (*answer[Volume], error) {
			return replyVolume(s.o.Volumes.SetVolume(ctx, in.ID, in.Body))
		})
	huma.Register(a, operation(http.MethodDelete, "remove-volume", "/v1/volumes/{id}", "Remove a volume", http.StatusNoContent),
		func(ctx context.Context, in *volumeRemoval) (*struct{}, error) {
			switch {
			case !in.Force:
				return done(s.o.Volumes.RemoveVolume(ctx, in.ID))
			case s.o.Disks == nil:
				return done(lacking("removal by force"))
			}
			return done(s.o.Disks.ForceRemoveVolume(ctx, in.ID))
		})
	s.diskRoutes(optional(a, s.o.Disks != nil, "changes to whole disks"))
	s.ioRoute(optional(a, s.o.IO != nil, "the traffic of volumes"))
	s.snapshotRoutes(optional(a, s.o.Snapshots != nil, "snapshots"))
}

type volumeRemoval struct {
	ID    string `path:"id"`
	Force bool   `query:"force" doc:"also if its machine still uses it"`
}

// shown has no list that is null in JSON.
func (v Volume) shown() Volume {
	v.Snapshots = orEmpty(v.Snapshots)
	return v
}

func replyVolume(v Volume, err error) (*answer[Volume], error) { return reply(v.shown(), err) }
