package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
)

// Import passes the open file f to the server, which makes an image of it
// named req.Ref. progress, if not nil, is called now and then. When ctx ends
// the server drops what it has.
func (c *Client) Import(ctx context.Context, f *os.File, req ImportRequest, progress func(Progress)) (Image, error) {
	req.Passed = true
	return pass[Image](ctx, c, f, "/v1/images", req, progress)
}

// ExportImage has the server write an image to f, an empty regular file that
// is open for reading and writing. When it fails f holds anything.
func (c *Client) ExportImage(ctx context.Context, ref string, f *os.File, req ExportRequest, progress func(Progress)) (e Exported, err error) {
	path, err := imageURL(ref)
	if err != nil {
		return e, err
	}
	return pass[Exported](ctx, c, f, path+"/export", req, progress)
}

// ExportVolume is ExportImage for a volume.
func (c *Client) ExportVolume(ctx context.Context, id string, f *os.File, req ExportRequest, progress func(Progress)) (Exported, error) {
	return pass[Exported](ctx, c, f, volumeURL(id)+"/export", req, progress)
}

// Backup has the server write a backup of a volume to f, which may be
// anything that can be written to.
func (c *Client) Backup(ctx context.Context, id string, f *os.File, req BackupRequest, progress func(Progress)) (BackedUp, error) {
	to, finish, err := outlet(ctx, f)
	if err != nil {
		return BackedUp{}, fmt.Errorf("back up to %q: %w", req.Target, err)
	}
	b, err := pass[BackedUp](ctx, c, to, volumeURL(id)+"/backup", req, progress)
	if err2 := finish(); err == nil && err2 != nil {
		err = fmt.Errorf("back up to %q: %w", req.Target, err2)
	}
	return b, err
}

// Restore has the server make a machine's disk of the backup in f, which may
// be anything that can be read.
func (c *Client) Restore(ctx context.Context, machine string, f *os.File, req RestoreRequest, progress func(Progress)) (Restored, error) {
	return c.restore(ctx, machineURL(machine), f, req, progress)
}

// RestoreVolume is Restore for a data volume.
func (c *Client) RestoreVolume(ctx context.Context, id string, f *os.File, req RestoreRequest, progress func(Progress)) (Restored, error) {
	return c.restore(ctx, volumeURL(id), f, req, progress)
}

func (c *Client) restore(ctx context.Context, root string, f *os.File, req RestoreRequest, progress func(Progress)) (Restored, error) {
	from, finish, err := inlet(f)
	if err != nil {
		return Restored{}, fmt.Errorf("restore %q: %w", req.Source, err)
	}
	defer finish()
	return pass[Restored](ctx, c, from, root+"/restore", req, progress)
}

func (r FileRef) query() string {
	q := url.Values{"path": {r.Path}}
	if r.Disk.Snapshot != "" {
		q.Set("snapshot", r.Disk.Snapshot)
	}
	return "?" + q.Encode()
}

func (d Disk) url() (string, error) {
	if d.Volume != "" {
		return volumeURL(d.Volume), nil
	}
	return imageURL(d.Image)
}

// Files lists what a folder holds; of anything else, itself.
func (c *Client) Files(ctx context.Context, r FileRef) (l Listing, err error) {
	path, err := r.Disk.url()
	if err != nil {
		return l, err
	}
	return l, c.call(ctx, http.MethodGet, path+"/files"+r.query(), nil, &l)
}

// ReadFile writes a file's contents to w.
func (c *Client) ReadFile(ctx context.Context, r FileRef, w io.Writer) (p Place, err error) {
	path, err := r.Disk.url()
	if err != nil {
		return p, err
	}
	resp, err := c.send(ctx, c.http, http.MethodGet, path+"/file"+r.query(), nil)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	p.System = resp.Header.Get("Bootes-File-System")
	p.Partition, _ = strconv.Atoi(resp.Header.Get("Bootes-Partition")) // an older server says nothing
	p.Unclean, _ = strconv.ParseBool(resp.Header.Get("Bootes-Unclean"))
	from := &reads{r: resp.Body}
	_, err = io.Copy(w, from)
	if from.err != nil && !errors.Is(from.err, io.EOF) {
		err = c.broken(ctx, from.err)
	}
	return p, err
}
