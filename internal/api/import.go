package api

import (
	"context"
	"fmt"
	"os"

	"github.com/danielgtaylor/huma/v2"
)

type importBody struct{ Body ImportRequest }

func (s *Server) importImage(ctx context.Context, in *importBody) (*huma.StreamResponse, error) {
	b := in.Body
	job := Import{Ref: b.Ref, Path: b.Source, Source: b.Source, Base: b.Base, Identity: b.Identity, CDROM: b.CDROM}
	t := task[Image]{name: fmt.Sprintf("import %q", b.Source), user: b.Source}
	file, err := importFile(ctx, t.name, b.Passed)
	if err != nil {
		return nil, err
	}
	if file != nil {
		job.Path, job.File = pathOf(file), file
		t.path, t.end = job.Path, func() { file.Close() }
	}
	t.run = func(ctx context.Context, progress func(Progress)) (Image, error) {
		i, err := s.o.Images.ImportImage(ctx, job, progress)
		return i.shown(), err
	}
	return t.response(), nil
}

// importFile returns the file that came with the request, or nil if the
// client may name any path.
func importFile(ctx context.Context, task string, passed bool) (*os.File, error) {
	if passed {
		return passedFile(ctx, task, os.O_RDONLY)
	}
	c := connOf(ctx)
	if c == nil {
		return nil, Errorf(Forbidden, "%s: only over the unix socket", task)
	}
	cred, err := peer(c.UnixConn)
	if err != nil {
		return nil, Errorf(Internal, "%s: ask who the client is: %w", task, err)
	}
	if cred.Uid != 0 {
		return nil, Errorf(Forbidden, "%s: only root may name a path for the server to open; `bootes image import` passes the open file instead", task)
	}
	return nil, nil
}
