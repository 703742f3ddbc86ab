package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"bootes.dev/internal/initiator"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/load"
	"bootes.dev/internal/lab/site"
)

// Sizes of the disk that the speed of reading and writing is measured on.
const (
	fullDisk  = 512 << 20
	quickDisk = 64 << 20
)

// iscsi measures the target beside tgt. Both serve a disk full of stamps, from
// the page cache: Boötes a clone of it, tgt a plain copy.
func (b *bench) iscsi(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("/var/tmp", "bootes-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	image := filepath.Join(dir, "stamps.raw")
	if err := b.stamps(image); err != nil {
		return err
	}
	s, metrics, end, err := b.sides(ctx, dir, image)
	defer func() { err = errors.Join(err, end()) }()
	if err != nil {
		return err
	}
	if b.Loads != nil {
		return errors.Join(b.speed(ctx, s), b.crossCheck(ctx, s))
	}
	idle, err := load.Resident(s.ours.pid)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.Out, "\nResident memory of `bootes serve`, idle, one image and one machine: %d MiB.\n", idle>>20)
	if err := b.idle(ctx, s, metrics); err != nil {
		return err
	}
	if err := b.speed(ctx, s); err != nil {
		return err
	}
	if err := b.allocations(ctx, s.ours, metrics); err != nil {
		return err
	}
	if err := b.crossCheck(ctx, s); err != nil {
		return err
	}
	return b.storm(ctx, dir)
}

func (b *bench) diskSize() int64 {
	if b.Quick {
		return quickDisk
	}
	return fullDisk
}

// stamps makes a disk in which every sector of what is read says where it is.
func (b *bench) stamps(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = f.Truncate(b.diskSize())
	_, end := stamps.of(b.diskSize())
	p := make([]byte, 1<<20)
	for off := int64(0); off < end && err == nil; off += int64(len(p)) {
		initiator.Stamp(p, off, 0)
		_, err = f.Write(p)
	}
	return errors.Join(err, f.Close())
}

// sides starts all that are compared; end ends them, whatever err is.
func (b *bench) sides(ctx context.Context, dir, image string) (s sides, metrics string, end func() error, err error) {
	var closers []func() error
	end = func() error {
		var errs []error
		for _, c := range slices.Backward(closers) {
			errs = append(errs, c())
		}
		return errors.Join(errs...)
	}
	ours, err := lab.NewNet(lab.NetOptions{})
	if err != nil {
		return s, "", end, err
	}
	closers = append(closers, ours.Close)
	st, err := b.start(ctx, ours, dir, image)
	if err != nil {
		return s, "", end, err
	}
	if s.ours, err = connect(ctx, st); err != nil {
		return s, "", end, err
	}
	if s.floor, err = b.bareLoop(ctx, ours, s.ours.client); err != nil {
		return s, "", end, err
	}
	theirs, err := lab.NewNet(lab.NetOptions{})
	if err != nil {
		return s, "", end, err
	}
	closers = append(closers, theirs.Close)
	if s.theirs, err = b.tgt(ctx, theirs, image); err != nil {
		return s, "", end, err
	}
	return s, st.Socket, end, errors.Join(s.ours.apart(ctx), s.theirs.apart(ctx), s.floor.apart(ctx))
}

// bareLoop starts the floor beside Boötes.
func (b *bench) bareLoop(ctx context.Context, n *lab.Net, client *lab.Host) (*side, error) {
	portal := fmt.Sprintf("%s:3261", n.Server().Addr())
	p, err := n.Start(lab.Program{Path: b.Lab, Args: []string{"floor", portal}, Log: "floor.log"})
	if err != nil {
		return nil, err
	}
	e := load.Endpoint{Portal: portal, Initiator: "iqn.2026-01.dev.bootes:bench", Target: "iqn.2026-01.dev.bootes:floor"}
	return &side{name: "the bare loop", client: client, pid: p.Pid(), endpoint: e}, ready(ctx, client, p, portal)
}

var clientAddr = netip.MustParseAddr("10.77.0.90")

// connect plays the machine up to its script, which holds the key to its disk.
func connect(ctx context.Context, s *site.Site) (*side, error) {
	host, err := s.Net.NewHost(mac, clientAddr)
	if err != nil {
		return nil, err
	}
	set, err := s.Script(ctx, host, mac)
	if err != nil {
		return nil, err
	}
	addr := s.Net.Server().Addr()
	return &side{name: "Boötes", client: host, pid: s.Server().Pid(), endpoint: load.Endpoint{
		Portal: fmt.Sprintf("%s:3260", addr), Initiator: set["initiator-iqn"], Target: "iqn.2026-01.dev.bootes:" + pc,
		User: set["username"], Secret: set["password"],
	}}, nil
}

// tgt offers a plain copy of the image in a network of its own.
func (b *bench) tgt(ctx context.Context, n *lab.Net, image string) (*side, error) {
	const secret = "abcdefgh12345678"
	r, err := n.StartRecipe(ctx, lab.RecipeMachine{Name: pc, MAC: mac, Image: image, User: pc, Secret: secret})
	if err != nil {
		return nil, err
	}
	host, err := n.NewHost(mac, clientAddr)
	return &side{name: "tgt", client: host, pid: r.Target.Pid(), endpoint: load.Endpoint{
		Portal: fmt.Sprintf("%s:3260", n.Server().Addr()), Initiator: lab.RecipeInitiator(pc), Target: lab.RecipeIQN(pc),
		User: pc, Secret: secret, LUN: 1,
	}}, err
}
