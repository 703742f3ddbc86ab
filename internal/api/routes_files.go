package api

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

type imageFile struct {
	Name string `path:"name"`
	Tag  string `path:"tag"`
	Path string `query:"path" required:"true" doc:"may begin with a partition, such as p1:/EFI"`
}

func (f *imageFile) ref() FileRef {
	return FileRef{Disk: Disk{Image: f.Name + ":" + f.Tag}, Path: f.Path}
}

type volumeFile struct {
	ID       string `path:"id"`
	Snapshot string `query:"snapshot" doc:"default: the disk as it is now"`
	Path     string `query:"path" required:"true" doc:"may begin with a partition, such as p1:/EFI"`
}

func (f *volumeFile) ref() FileRef {
	return FileRef{Disk: Disk{Volume: f.ID, Snapshot: f.Snapshot}, Path: f.Path}
}

type diffQuery struct {
	ID       string `path:"id"`
	Snapshot string `query:"snapshot" doc:"default: the disk as it is now"`
}

func (s *Server) fileRoutes(a huma.API) {
	const image = "/v1/images/{name}/{tag}"
	huma.Register(a, get("list-image-files", image+"/files", "What a folder of an image holds"),
		func(ctx context.Context, in *imageFile) (*answer[Listing], error) {
			return s.files(ctx, in.ref())
		})
	huma.Register(a, get("list-volume-files", volumeRoot+"/files", "What a folder of a volume holds"),
		func(ctx context.Context, in *volumeFile) (*answer[Listing], error) {
			return s.files(ctx, in.ref())
		})
	huma.Register(a, get("read-image-file", image+"/file", "A file of an image"),
		func(ctx context.Context, in *imageFile) (*fileAnswer, error) {
			return s.openFile(ctx, in.ref())
		})
	huma.Register(a, get("read-volume-file", volumeRoot+"/file", "A file of a volume"),
		func(ctx context.Context, in *volumeFile) (*fileAnswer, error) {
			return s.openFile(ctx, in.ref())
		})
	huma.Register(a, get("diff-volume", volumeRoot+"/diff", "How a volume differs from its image"),
		func(ctx context.Context, in *diffQuery) (*answer[Diff], error) {
			d, err := s.o.Files.Diff(ctx, Disk{Volume: in.ID, Snapshot: in.Snapshot})
			d.Partitions = orEmpty(d.Partitions)
			return reply(d, err)
		})
}

func (s *Server) files(ctx context.Context, ref FileRef) (*answer[Listing], error) {
	l, err := s.o.Files.List(ctx, ref)
	l.Files = orEmpty(l.Files)
	return reply(l, err)
}

// fileAnswer is a file's bytes, with the Place in headers.
type fileAnswer struct {
	Type      string `header:"Content-Type"`
	Length    int64  `header:"Content-Length"`
	Partition int    `header:"Bootes-Partition" doc:"number of the partition in which the file is; 0: the disk has no partitions"`
	System    string `header:"Bootes-File-System" doc:"of that, such as ext4"`
	Unclean   bool   `header:"Bootes-Unclean" doc:"it was in use, or not closed in good order: what only its journal holds is not seen"`
	Body      func(huma.Context)
}

// openFile answers with a file's bytes. One that breaks off is shorter than
// was announced, which every client notices; the log says why.
func (s *Server) openFile(ctx context.Context, ref FileRef) (*fileAnswer, error) {
	ctx, cancel := untilEnd(ctx)
	c, err := s.o.Files.Open(ctx, ref)
	if err != nil {
		cancel()
		return nil, problem(err)
	}
	send := func(hc huma.Context) {
		defer cancel()
		defer c.Close()
		_, w := humago.Unwrap(hc)
		from := &reads{r: c}
		n, err := io.CopyN(w, from, c.Size)
		if n == c.Size {
			return
		}
		if from.err != nil {
			s.o.Log.Error("a file could not be read", "volume", ref.Disk.Volume, "image", ref.Disk.Image, "path", ref.Path, "read", n, "err", err)
		}
		panic(http.ErrAbortHandler)
	}
	return &fileAnswer{
		Type: "application/octet-stream", Length: c.Size,
		Partition: c.Partition, System: c.System, Unclean: c.Unclean, Body: send,
	}, nil
}

// reads keeps the error of a reader apart from those of its client.
type reads struct {
	r   io.Reader
	err error
}

func (r *reads) Read(p []byte) (n int, err error) {
	n, r.err = r.r.Read(p)
	return n, r.err
}

func (s *Server) spaceRoutes(a huma.API) {
	huma.Register(a, get("space", "/v1/space", "Where the bytes are"),
		func(ctx context.Context, _ *struct{}) (*answer[Space], error) {
			sp, err := s.o.Space.Space(ctx)
			sp.Images, sp.Volumes = orEmpty(sp.Images), orEmpty(sp.Volumes)
			return reply(sp, err)
		})
}
