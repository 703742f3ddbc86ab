package api

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// tick is the time between two lines of progress.
const tick = 200 * time.Millisecond

type importBody struct{ Body ImportRequest }

func (s *Server) importImage(ctx context.Context, in *importBody) (*huma.StreamResponse, error) {
	job := Import{Ref: in.Body.Ref, Path: in.Body.Source, Source: in.Body.Source, Identity: in.Body.Identity}
	file, err := importFile(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	if file != nil {
		// Of this process by number, not "self": qemu-img opens it too.
		job.Path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), file.Fd())
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		if file != nil {
			defer file.Close()
		}
		s.runImport(hc, job)
	}}, nil
}

// importFile returns the descriptor that came with the request, or nil if the
// client may name any path.
func importFile(ctx context.Context, in ImportRequest) (*os.File, error) {
	c := connOf(ctx)
	if c == nil {
		return nil, Errorf(Forbidden, "import %q: only over the unix socket", in.Source)
	}
	if !in.Passed {
		cred, err := peer(c.UnixConn)
		if err != nil {
			return nil, Errorf(Internal, "import %q: ask who the client is: %w", in.Source, err)
		}
		if cred.Uid != 0 {
			return nil, Errorf(Forbidden, "import %q: only root may name a path for the server to open; `bootes image import` passes the open file instead", in.Source)
		}
		return nil, nil
	}
	f := c.take()
	if f == nil {
		return nil, Errorf(Invalid, "import %q: no descriptor came with the request", in.Source)
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, Errorf(Invalid, "import %q: not a regular file", in.Source)
	}
	return f, nil
}

// runImport runs the import and streams how it goes. Whatever the client
// does, it returns only when the import has ended.
func (s *Server) runImport(hc huma.Context, job Import) {
	ctx, cancel := untilEnd(hc.Context())
	defer cancel()
	latest := make(chan Progress, 1)
	result := make(chan Line[Image], 1)
	go func() {
		image, err := s.o.Images.ImportImage(ctx, job, func(p Progress) { replace(latest, p) })
		if err != nil {
			result <- Line[Image]{Error: importProblem(ctx, job, err)}
			return
		}
		result <- Line[Image]{Result: &image}
	}()
	out := newStream(hc)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case line := <-result:
			if line.Error != nil && !out.started {
				writeProblem(out.w, line.Error)
				return
			}
			out.send(line) // a client that is gone can list the images
			return
		case <-ticker.C:
			select {
			case p := <-latest:
				if out.send(Line[Image]{Progress: &p}) != nil {
					cancel()
				}
			default:
			}
		}
	}
}

// replace puts p into c in place of what is there.
func replace(c chan Progress, p Progress) {
	for {
		select {
		case c <- p:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}

// importProblem puts the user's name of the file where the error has the
// server's own.
func importProblem(ctx context.Context, job Import, err error) *Error {
	var known *Error
	if ctx.Err() != nil && !errors.As(err, &known) {
		return Errorf(Unavailable, "import %q: cancelled; nothing of it is left", job.Source)
	}
	p := problem(err)
	p.Detail = strings.ReplaceAll(p.Detail, job.Path, job.Source)
	return p
}
