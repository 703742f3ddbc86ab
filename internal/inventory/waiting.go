package inventory

import (
	"context"
	"errors"
	"time"

	"bootes.dev/internal/store"
)

// Waiting is a computer that nobody has added and that asked to boot on a network
// where such are held until a person approves them.
type Waiting struct {
	MAC       string    `json:"mac"` // lower case, colons; the key
	Interface string    `json:"interface"`
	Since     time.Time `json:"since"`
	Seen      time.Time `json:"seen"` // when it last asked; to the minute
	Hardware  Hardware  `json:"hardware"`
	Like      string    `json:"like,omitempty"` // a machine whose UUID or serial number it has
}

const (
	// MaxWaiting bounds the list: anybody can ask in the name of made-up cards.
	MaxWaiting = 1024
	// seenEach is how exactly Seen is kept on record, and how often what a
	// computer says of itself may change there.
	seenEach = time.Minute
	// silent is how long a computer must have been silent for a new one to take
	// its place in a full list.
	silent = 2 * time.Minute
)

// ErrWaitingFull: so many computers wait, each of them asking still, that no
// other is taken into the list.
var ErrWaitingFull = errors.New("too many computers wait for approval")

// Wait notes that a computer waits, or still does, and returns what is on
// record. What w says of its hardware is added to that.
func (in *Inventory) Wait(ctx context.Context, w Waiting) (Waiting, error) {
	mac, err := CanonicalMAC(w.MAC)
	if err != nil {
		return w, err
	}
	w.MAC, w.Hardware = mac, w.Hardware.normal()
	if _, err := in.waiting.Get(ctx, mac); errors.Is(err, store.ErrNotFound) {
		if err := in.roomToWait(ctx); err != nil {
			return w, err
		}
	}
	err = in.s.Update(ctx, func(tx *store.Tx) error {
		if _, err := in.macs.In(tx).Get(mac); !errors.Is(err, store.ErrNotFound) {
			return err // it has been added meanwhile
		}
		old, err := absentIsZero(in.waiting.In(tx).Get(mac))
		if err != nil {
			return err
		}
		now := in.now().UTC()
		if old.Since.IsZero() {
			old.Since = now
		}
		w.Since, w.Seen, w.Hardware = old.Since, old.Seen, w.Hardware.with(old.Hardware)
		if now.Sub(old.Seen) < seenEach && (w == old || old.Hardware != (Hardware{})) {
			w = old
			return nil
		}
		w.Seen = now
		return in.waiting.In(tx).Put(mac, w)
	})
	return w, err
}

// roomToWait frees a place in a full list: that of the computer which has been
// silent for longest.
func (in *Inventory) roomToWait(ctx context.Context) error {
	all, err := in.AllWaiting(ctx)
	if err != nil || len(all) < MaxWaiting {
		return err
	}
	oldest := all[0]
	for _, w := range all {
		if w.Seen.Before(oldest.Seen) {
			oldest = w
		}
	}
	if in.now().Sub(oldest.Seen) < silent {
		return ErrWaitingFull
	}
	return in.DismissWaiting(ctx, oldest.MAC)
}

// AllWaiting are the computers that wait, in the order of their MACs.
func (in *Inventory) AllWaiting(ctx context.Context) ([]Waiting, error) {
	return values(in.waiting.List(ctx))
}

// CountWaiting is how many computers wait for approval.
func (in *Inventory) CountWaiting(ctx context.Context) (int, error) {
	return in.waiting.Count(ctx)
}

// WaitingOf is the computer that waits with a MAC.
func (in *Inventory) WaitingOf(ctx context.Context, mac string) (Waiting, error) {
	mac, err := CanonicalMAC(mac)
	if err != nil {
		return Waiting{}, err
	}
	return find(ctx, in.waiting, "waiting machine", mac, true)
}

// DismissWaiting takes a computer from the list. It is back when it asks again.
func (in *Inventory) DismissWaiting(ctx context.Context, mac string) error {
	mac, err := CanonicalMAC(mac)
	if err != nil {
		return err
	}
	return in.s.Update(ctx, func(tx *store.Tx) error {
		if _, err := lookup(in.waiting.In(tx), "waiting machine", mac, true); err != nil {
			return err
		}
		in.waiting.In(tx).Delete(mac)
		return nil
	})
}

// admit takes the computers with m's cards from those that wait, with what they
// have said of themselves.
func (in *Inventory) admit(tx *store.Tx, m *Machine) error {
	for _, mac := range m.MACs {
		w, err := in.waiting.In(tx).Get(mac)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		m.Hardware = m.Hardware.with(w.Hardware)
		in.waiting.In(tx).Delete(mac)
	}
	return nil
}
