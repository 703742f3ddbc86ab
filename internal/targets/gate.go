package targets

import (
	"context"
	"errors"
	"fmt"

	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/recorder"
)

// gate lets package boot decide who may open a disk, and opens it.
type gate struct{ Options }

func initiator(l iscsi.Login) boot.Initiator {
	return boot.Initiator{Name: l.Initiator, Target: l.Target, Remote: l.Remote.Addr()}
}

func (g *gate) Account(ctx context.Context, _ iscsi.Login, user string) (string, bool) {
	return g.Boot.Secret(ctx, user)
}

// Prove makes g an iscsi.Prover.
func (g *gate) Prove(ctx context.Context, _ iscsi.Login, user string) (name, secret string, ok bool) {
	return g.Boot.Prove(ctx, user)
}

var _ iscsi.Prover = (*gate)(nil)

func (g *gate) Visible(ctx context.Context, l iscsi.Login, user string) []string {
	return g.Boot.Visible(ctx, initiator(l), user)
}

func (g *gate) Refused(l iscsi.Login, user, reason string) {
	g.Boot.LoginRefused(initiator(l), user, reason)
}

func (g *gate) Admit(ctx context.Context, l iscsi.Login, user string) (*iscsi.Grant, error) {
	ad, err := g.Boot.Admit(ctx, initiator(l), user)
	var denied *boot.Denied
	if errors.As(err, &denied) {
		return nil, &iscsi.Refusal{Status: iscsi.StatusForbidden, Reason: denied.Reason}
	}
	if err != nil {
		return nil, err
	}
	return &iscsi.Grant{
		Owner: ad.Boot.ID,
		Open:  func(ctx context.Context) (iscsi.Units, error) { return g.open(ctx, ad) },
	}, nil
}

// open makes the logical units of a boot. The sessions of older boots are gone.
func (g *gate) open(ctx context.Context, ad *boot.Admitted) (iscsi.Units, error) {
	if ad.Look != nil {
		return g.openLook(ctx, *ad.Look)
	}
	g.Boot.Forget(ctx, ad)
	disk, err := g.openDisk(ctx, ad)
	if err != nil {
		g.Boot.Opened(ad.Boot, diagnose.Layout{}, err)
		g.Boot.Progress(ad.Boot, "", recorder.Error, fmt.Sprintf("its disk cannot be opened: %v", err))
		g.Log.Error("disk cannot be opened", "machine", ad.Machine.Name, "err", err)
	}
	return disk, err
}

// closed looks at how a disk was closed. One that has failed may have lost
// writes: the system that runs from it must not find it again and go on.
func (g *gate) closed(ad *boot.Admitted, err error) {
	if err == nil {
		return
	}
	g.Log.Error("disk did not close cleanly", "machine", ad.Machine.Name, "volume", ad.Boot.Volume, "err", err)
	if !errors.Is(err, block.ErrFailed) {
		return
	}
	g.Boot.Progress(ad.Boot, "", recorder.Error, fmt.Sprintf("its disk has failed, and the machine must boot again: %v", err))
	if err := g.Inventory.EndBoots(context.Background(), ad.Machine.Name); err != nil {
		g.Log.Error("boots of a failed disk could not be ended", "machine", ad.Machine.Name, "err", err)
	}
}
