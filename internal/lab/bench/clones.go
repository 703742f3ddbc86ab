package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"bootes.dev/internal/cow"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/lab/load"
	"bootes.dev/internal/scsi"
)

// Clones says what clones to serve.
type Clones struct {
	Dir    string // of the engine; is made, and removed at the end
	Image  string // path of a raw disk
	Count  int
	Listen string
}

const (
	clonePrefix = "iqn.2026-01.dev.bootes.clones:"
	cloneSecret = "0123456789abcdef"
)

func cloneEndpoint(portal string, i int) load.Endpoint {
	name := strconv.Itoa(i)
	return load.Endpoint{Portal: portal, Initiator: clonePrefix + "init:" + name, Target: clonePrefix + name, User: name, Secret: cloneSecret}
}

// ServeClones serves clones of an image, each as a target of its own, until
// ctx ends.
func ServeClones(ctx context.Context, c Clones) (err error) {
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.Dir)) }()
	eng, err := cow.Open(c.Dir, cow.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	base, err := copyIn(ctx, eng, c.Image)
	if err != nil {
		return fmt.Errorf("import %q: %w", c.Image, err)
	}
	for i := range c.Count {
		if _, err := eng.CreateVolume(cow.VolumeSpec{ID: "clone" + strconv.Itoa(i), Base: base, Volatile: true}); err != nil {
			return err
		}
	}
	ln, err := load.Listen(c.Listen)
	if err != nil {
		return err
	}
	return iscsi.New(iscsi.Options{Authority: &clones{eng: eng}}).Serve(ctx, ln)
}

// copyIn makes a layer of a raw disk, without its zeros.
func copyIn(ctx context.Context, eng *cow.Engine, path string) (id string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	lb, err := eng.NewLayer(info.Size())
	if err != nil {
		return "", err
	}
	p := make([]byte, cow.BlockSize*64)
	for off := int64(0); off < info.Size() && err == nil; off += int64(len(p)) {
		n, rerr := f.ReadAt(p, off)
		if rerr != nil && !errors.Is(rerr, io.EOF) {
			err = rerr
		} else if !zero(p[:n]) {
			_, err = lb.WriteAt(p[:n], off)
		}
	}
	if err != nil {
		return "", errors.Join(err, lb.Abort())
	}
	layer, err := lb.Seal(ctx)
	return layer.ID, err
}

func zero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// clones is the iscsi.Authority of clones: number i is for user i.
type clones struct {
	eng *cow.Engine
	mu  sync.Mutex
}

func (c *clones) Account(context.Context, iscsi.Login, string) (string, bool) {
	return cloneSecret, true
}

func (c *clones) Admit(_ context.Context, req iscsi.Login, user string) (*iscsi.Grant, error) {
	name, ok := strings.CutPrefix(req.Target, clonePrefix)
	if !ok || name != user {
		return nil, &iscsi.Refusal{Status: iscsi.StatusNotFound, Reason: "no such clone"}
	}
	return &iscsi.Grant{Owner: user, Open: func(context.Context) (iscsi.Units, error) { return c.open(name) }}, nil
}

func (c *clones) open(name string) (iscsi.Units, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, err := c.eng.OpenVolume("clone" + name)
	if err != nil {
		return nil, err
	}
	disk := scsi.NewDisk(v, scsi.Identity{Vendor: "BOOTES", Product: "DISK", Serial: name})
	return iscsi.Units{0: {Disk: disk, Close: func() { _ = v.Close() }}}, nil
}

func (c *clones) Visible(context.Context, iscsi.Login, string) []string { return nil }
func (c *clones) Refused(iscsi.Login, string, string)                   {}
