package inventory

import (
	"context"
	"strings"
	"time"

	"bootes.dev/internal/store"
)

// Static are the credentials of firmware or an HBA that logs in to its machine's
// disk by itself, without a script: they are typed in by a person, and hold until
// they are made anew or revoked. A machine has one pair at most.
type Static struct {
	Machine   string    `json:"machine"` // the key
	User      string    `json:"user"`    // CHAP name
	Secret    string    `json:"secret"`
	Reverse   Reverse   `json:"reverse"`
	Initiator string    `json:"initiator,omitempty"` // name that it logs in by; "": the machine's own
	Created   time.Time `json:"created"`

	// Volume is what they opened last, and Held since when.
	Volume string    `json:"volume,omitempty"`
	Held   time.Time `json:"held,omitzero"`
}

// staticEnd ends the CHAP name of static credentials. That of a boot ends in a
// number.
const staticEnd = "-static"

// staticMachine is the machine that a CHAP name of static credentials is for.
func staticMachine(user string) (machine string, ok bool) { return strings.CutSuffix(user, staticEnd) }

// StaticUser is the CHAP name of a machine's static credentials.
func StaticUser(machine string) string { return machine + staticEnd }

// NewStatic makes static credentials for a machine; those that it had are gone.
// *ModeError for an ephemeral machine: whoever logs in by them cannot be told
// from one that was switched on again, so the disk must be one that is kept.
func (in *Inventory) NewStatic(ctx context.Context, machine, initiator string) (Static, error) {
	if initiator != "" {
		var err error
		if initiator, err = ParseInitiator(initiator); err != nil {
			return Static{}, err
		}
	}
	user := StaticUser(machine)
	st := Static{
		Machine: machine, User: user, Secret: newSecret(), Reverse: newReverse(user),
		Initiator: initiator, Created: in.now().UTC(),
	}
	return st, in.s.Update(ctx, func(tx *store.Tx) error {
		m, err := lookup(in.machines.In(tx), "machine", machine, true)
		if err != nil {
			return err
		}
		if m.Mode == Ephemeral {
			return &ModeError{Kind: "machine", Name: machine, Machine: machine, Why: "static credentials are for a disk that is kept"}
		}
		return in.statics.In(tx).Put(machine, st)
	})
}

// Static are a machine's static credentials. *NotFoundError if it has none.
func (in *Inventory) Static(ctx context.Context, machine string) (Static, error) {
	return find(ctx, in.statics, "static credentials of", machine, false)
}

// StaticOf are the static credentials with a CHAP name. *NotFoundError if there
// are none.
func (in *Inventory) StaticOf(ctx context.Context, user string) (Static, error) {
	machine, ok := staticMachine(user)
	if !ok {
		return Static{}, &NotFoundError{Kind: "static credentials", Name: user}
	}
	return in.Static(ctx, machine)
}

// HoldStatic notes that a machine's static credentials have opened a volume, and
// ends the boot that had the disk before: what its system believes of the disk is
// no longer so. The machine's newer, pending boots stay.
func (in *Inventory) HoldStatic(ctx context.Context, machine, volume string) (st Static, gone Superseded, err error) {
	err = in.s.Update(ctx, func(tx *store.Tx) error {
		if st, err = lookup(in.statics.In(tx), "static credentials of", machine, false); err != nil {
			return err
		}
		st.Volume, st.Held = volume, in.now().UTC()
		b, err := in.book(tx, machine)
		if err != nil {
			return err
		}
		if gone, err = in.dropBoots(tx, &b, func(x Boot) bool { return x.Current }); err != nil {
			return err
		}
		if err := in.books.In(tx).Put(machine, b); err != nil {
			return err
		}
		return in.statics.In(tx).Put(machine, st)
	})
	return st, gone, err
}

// RevokeStatic ends a machine's static credentials. *NotFoundError if it has
// none.
func (in *Inventory) RevokeStatic(ctx context.Context, machine string) (st Static, err error) {
	err = in.s.Update(ctx, func(tx *store.Tx) error {
		if st, err = lookup(in.statics.In(tx), "static credentials of", machine, false); err != nil {
			return err
		}
		in.statics.In(tx).Delete(machine)
		return nil
	})
	return st, err
}
