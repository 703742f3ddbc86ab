package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type snapshotPath struct {
	ID   string `path:"id"`
	Snap string `path:"snap"`
}

type newSnapshot struct {
	ID   string `path:"id"`
	Body struct {
		Name string `json:"name" minLength:"1"`
	}
}

type rollback struct {
	ID   string `path:"id"`
	Body struct {
		Snapshot string `json:"snapshot" minLength:"1"`
	}
}

type cloning struct {
	ID   string `path:"id"`
	Body struct {
		Snapshot string `json:"snapshot,omitempty" doc:"default: the disk as it is now"`
		Machine  string `json:"machine" minLength:"1" doc:"whose disk the clone becomes"`
	}
}

const volumeRoot = "/v1/volumes/{id}"

func (s *Server) snapshotRoutes(a huma.API) {
	huma.Register(a, operation(http.MethodPost, "add-snapshot", volumeRoot+"/snapshots", "Take a snapshot of a volume", http.StatusCreated),
		func(ctx context.Context, in *newSnapshot) (*answer[Snapshot], error) {
			return reply(s.o.Snapshots.Snapshot(ctx, in.ID, in.Body.Name))
		})
	huma.Register(a, operation(http.MethodDelete, "remove-snapshot", volumeRoot+"/snapshots/{snap}", "Remove a snapshot", http.StatusNoContent),
		func(ctx context.Context, in *snapshotPath) (*struct{}, error) {
			return done(s.o.Snapshots.RemoveSnapshot(ctx, in.ID, in.Snap))
		})
	huma.Register(a, operation(http.MethodPost, "rollback-volume", volumeRoot+"/rollback", "Take a volume back to a snapshot", http.StatusOK),
		func(ctx context.Context, in *rollback) (*answer[Undone], error) {
			return s.undo(ctx, in.ID, func() error { return s.o.Snapshots.Rollback(ctx, in.ID, in.Body.Snapshot) })
		})
	huma.Register(a, operation(http.MethodPost, "clone-volume", volumeRoot+"/clone", "Make a machine's disk of a volume", http.StatusCreated),
		func(ctx context.Context, in *cloning) (*answer[Volume], error) {
			return replyVolume(s.o.Snapshots.CloneVolume(ctx, Disk{Volume: in.ID, Snapshot: in.Body.Snapshot}, in.Body.Machine))
		})
}

// undo tells what was lost by what do does to a volume.
func (s *Server) undo(ctx context.Context, id string, do func() error) (*answer[Undone], error) {
	before, err := s.o.Volumes.Volume(ctx, id)
	if err == nil {
		err = do()
	}
	if err != nil {
		return reply(Undone{}, err)
	}
	after, err := s.o.Volumes.Volume(ctx, id)
	return reply(Undone{Volume: after.shown(), Lost: before.Own}, err)
}
