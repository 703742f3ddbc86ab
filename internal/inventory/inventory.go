// Package inventory holds what Boötes knows of its site, and the rules: the
// machines, the images, the tags that point to them, the volumes made of them,
// the boots of each machine with their credentials, and the DHCP leases.
//
// The rules, each kept by a transaction of the store:
//
//   - A name is a host name; a MAC address and a reserved address belong to
//     one machine. A UUID or serial number that several have tells none of
//     them from the others.
//   - A name:tag is an image or a tag, never both; a tag points to an image,
//     never to a tag. Machines name either.
//   - An image that a machine, a tag or a volume names is not removed, nor a tag
//     that a machine or a volume names, nor a machine that has volumes.
//   - A machine has at most one persistent volume for each name it was given, at
//     most one for an update, a boot at most one ephemeral volume. So asking
//     twice never makes two.
//   - A data volume has a name that no machine has. It is attached to one
//     machine at most, unless it is shared; what is attached is not removed. A
//     logical unit number of a machine is one attachment's.
//   - Boots of a machine are numbered. A machine has one current boot; an
//     older one never takes its place.
//   - An address is leased to one client.
//
// Errors are made for people: each names the thing, and the remedy where
// there is one. The types in errors.go are for callers that branch.
package inventory

import (
	"context"
	"errors"
	"time"

	"bootes.dev/internal/store"
)

// Inventory is safe for use by any number of goroutines. It keeps no state of
// its own but offers of addresses: everything else is in the store.
type Inventory struct {
	s   *store.Store
	now func() time.Time

	machines *store.Collection[Machine]
	macs     *store.Collection[string]   // MAC → machine
	reserved *store.Collection[string]   // address → machine
	claims   *store.Collection[[]string] // UUID or serial number → machines
	waiting  *store.Collection[Waiting]  // MAC
	numbers  *store.Collection[int]      // pattern of names → the last number given
	books    *store.Collection[book]     // machine → its boots and volumes
	statics  *store.Collection[Static]   // machine
	images   *store.Collection[Image]    // name:tag
	tags     *store.Collection[Tag]      // name:tag
	volumes  *store.Collection[Volume]   // ID
	removals *store.Collection[Removal]  // what is still to be removed from disk
	// volume ID → its persistent reservations, as package scsi writes them
	reservations *store.Collection[[]byte]
	leases       *store.Ledger[Lease] // address in hex; the desk's
	desk         *desk
}

// New is the inventory kept in s.
func New(s *store.Store) *Inventory {
	return &Inventory{
		s: s, now: time.Now,
		machines: store.Of[Machine](s, "machines"),
		macs:     store.Of[string](s, "macs"),
		reserved: store.Of[string](s, "reserved"),
		claims:   store.Of[[]string](s, "identities"),
		waiting:  store.Of[Waiting](s, "waiting"),
		numbers:  store.Of[int](s, "numbers"),
		books:    store.Of[book](s, "books"),
		statics:  store.Of[Static](s, "statics"),
		images:   store.Of[Image](s, "images"),
		tags:     store.Of[Tag](s, "tags"),
		volumes:  store.Of[Volume](s, "volumes"),
		removals: store.Of[Removal](s, "removals"),

		reservations: store.Of[[]byte](s, "reservations"),

		leases: store.LedgerOf[Lease](s, "leases"),
		desk:   newDesk(),
	}
}

// lookup reads one record in a transaction and names what there is when it is
// missing. list says whether to name the others.
func lookup[T any](v store.View[T], kind, name string, list bool) (T, error) {
	x, err := v.Get(name)
	if !errors.Is(err, store.ErrNotFound) {
		return x, err
	}
	missing := &NotFoundError{Kind: kind, Name: name}
	if list {
		recs, err := v.List()
		if err != nil {
			return x, err
		}
		missing.Known = keys(recs)
	}
	return x, missing
}

// find is lookup outside of a transaction.
func find[T any](ctx context.Context, c *store.Collection[T], kind, name string, list bool) (T, error) {
	r, err := c.Get(ctx, name)
	if !errors.Is(err, store.ErrNotFound) {
		return r.Value, err
	}
	missing := &NotFoundError{Kind: kind, Name: name}
	if list {
		recs, err := c.List(ctx)
		if err != nil {
			return r.Value, err
		}
		missing.Known = keys(recs)
	}
	return r.Value, missing
}

// absentIsZero makes a missing record its zero value.
func absentIsZero[T any](x T, err error) (T, error) {
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return x, err
}

func keys[T any](recs []store.Record[T]) []string {
	names := make([]string, 0, len(recs))
	for _, r := range recs {
		names = append(names, r.Key)
	}
	return names
}

func values[T any](recs []store.Record[T], err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	vs := make([]T, 0, len(recs))
	for _, r := range recs {
		vs = append(vs, r.Value)
	}
	return vs, nil
}
