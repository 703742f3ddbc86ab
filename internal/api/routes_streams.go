package api

import (
	"context"
	"fmt"
	"os"

	"github.com/danielgtaylor/huma/v2"
)

type imageExport struct {
	Name string `path:"name"`
	Tag  string `path:"tag"`
	Body ExportRequest
}

type volumeExport struct {
	ID   string `path:"id"`
	Body ExportRequest
}

type backingUp struct {
	ID   string `path:"id"`
	Body BackupRequest
}

type restoring struct {
	Name string `path:"name"`
	Body RestoreRequest
}

type volumeRestoring struct {
	ID   string `path:"id"`
	Body RestoreRequest
}

func (s *Server) streamRoutes(a huma.API) {
	huma.Register(a, passedTask("export-image", "/v1/images/{name}/{tag}/export", "Write an image to a file"),
		func(ctx context.Context, in *imageExport) (*huma.StreamResponse, error) {
			if in.Body.Snapshot != "" {
				return nil, Errorf(Invalid, "export %q: an image has no snapshots", in.Body.Target)
			}
			return s.export(ctx, Disk{Image: in.Name + ":" + in.Tag}, in.Body)
		})
	huma.Register(a, passedTask("export-volume", volumeRoot+"/export", "Write a volume to a file"),
		func(ctx context.Context, in *volumeExport) (*huma.StreamResponse, error) {
			return s.export(ctx, Disk{Volume: in.ID, Snapshot: in.Body.Snapshot}, in.Body)
		})
	huma.Register(a, passedTask("backup-volume", volumeRoot+"/backup", "Write a volume as a backup"), s.backup)
	huma.Register(a, passedTask("restore-machine", "/v1/machines/{name}/restore", "Make a machine's disk of a backup"), s.restore)
	huma.Register(a, passedTask("restore-volume", volumeRoot+"/restore", "Make a data volume's content of a backup"),
		func(ctx context.Context, in *volumeRestoring) (*huma.StreamResponse, error) {
			return s.restore(ctx, &restoring{Name: in.ID, Body: in.Body})
		})
}

func (s *Server) export(ctx context.Context, d Disk, b ExportRequest) (*huma.StreamResponse, error) {
	t := task[Exported]{name: fmt.Sprintf("export %q", b.Target), user: b.Target}
	f, err := passedFile(ctx, t.name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	t.path, t.end = pathOf(f), func() { f.Close() }
	t.run = func(ctx context.Context, progress func(Progress)) (Exported, error) {
		e, err := s.o.Streams.Export(ctx, Export{Disk: d, Format: b.Format, File: f, Path: t.path, Target: b.Target}, progress)
		e.File = b.Target
		return e, err
	}
	return t.response(), nil
}

func (s *Server) backup(ctx context.Context, in *backingUp) (*huma.StreamResponse, error) {
	b := in.Body
	t := task[BackedUp]{name: fmt.Sprintf("back up to %q", b.Target)}
	to, err := passedStream(ctx, t.name, os.O_WRONLY)
	if err != nil {
		return nil, err
	}
	// Before the answer: who reads the pipe then finds its end.
	t.end = func() { to.f.Close() }
	t.run = func(ctx context.Context, progress func(Progress)) (BackedUp, error) {
		defer to.until(ctx)()
		job := Backup{Disk: Disk{Volume: in.ID, Snapshot: b.Snapshot}, Since: b.Since, To: to}
		r, err := s.o.Streams.Backup(ctx, job, progress)
		r.Target, r.Written = b.Target, to.n
		return r, err
	}
	return t.response(), nil
}

func (s *Server) restore(ctx context.Context, in *restoring) (*huma.StreamResponse, error) {
	b := in.Body
	t := task[Restored]{name: fmt.Sprintf("restore %q", b.Source)}
	from, err := passedStream(ctx, t.name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	t.end = func() { from.f.Close() }
	t.run = func(ctx context.Context, progress func(Progress)) (Restored, error) {
		defer from.until(ctx)()
		r, err := s.o.Streams.Restore(ctx, Restore{Machine: in.Name, Force: b.Force, From: from}, progress)
		r.Volume, r.Read = r.Volume.shown(), from.n
		return r, err
	}
	return t.response(), nil
}
