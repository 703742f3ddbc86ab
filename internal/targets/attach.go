package targets

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"bootes.dev/internal/inventory"
)

// inTurn lets one command at a time change what a machine has, record and running
// target, until the returned function is called.
func (t *Targets) inTurn(machine string) (done func()) {
	mu := &t.turns[maphash.String(turnSeed, machine)%uint64(len(t.turns))]
	mu.Lock()
	return mu.Unlock
}

var turnSeed = maphash.MakeSeed()

// Attach gives a machine a volume or an image, on record and, if it runs, at
// once. If that fails it is as if nothing had been asked for.
func (t *Targets) Attach(ctx context.Context, machine string, what inventory.Attachment) (a inventory.Attachment, live bool, err error) {
	defer t.inTurn(machine)()
	a, err = t.o.Inventory.Attach(ctx, machine, what)
	if err != nil {
		return a, false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LastIO)
	defer cancel()
	live, err = t.attachLive(ctx, machine, a)
	if err != nil {
		err = errors.Join(fmt.Errorf("give %s to machine %q: %w", a.What(), machine, err), t.undoAttach(ctx, machine, a))
	}
	return a, live, err
}

// undoAttach takes back what could not be given. ctx may have ended.
func (t *Targets) undoAttach(ctx context.Context, machine string, a inventory.Attachment) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LastIO)
	defer cancel()
	_, err := t.o.Inventory.Detach(ctx, machine, a.LUN)
	if err == nil {
		_, err = t.detachLive(ctx, machine, a)
	}
	return err
}

// Detach takes from a machine what it has at lun. Without force a machine that
// runs keeps what it may be writing to.
func (t *Targets) Detach(ctx context.Context, machine string, lun uint8, force bool) (a inventory.Attachment, live bool, err error) {
	defer t.inTurn(machine)()
	if !force {
		if err := t.mayDetach(ctx, machine, lun); err != nil {
			return a, false, err
		}
	}
	a, err = t.o.Inventory.Detach(ctx, machine, lun)
	if err != nil {
		return a, false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LastIO)
	defer cancel()
	live, err = t.detachLive(ctx, machine, a)
	return a, live, err
}
