package inventory

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bootes.dev/internal/store"
)

// maxPending bounds the boots of a machine that never logged in: one power-on
// can ask from several network cards and by several protocols, and anyone can
// send a DISCOVER with a stranger's MAC.
const maxPending = 4

// OpenBoot begins a boot of a machine: it has credentials and changes nothing
// for a boot that runs. The oldest pending boots beyond the newest four are
// dropped.
func (in *Inventory) OpenBoot(ctx context.Context, machine string) (Boot, Superseded, error) {
	var boot Boot
	var gone Superseded
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		if _, err := lookup(in.machines.In(tx), "machine", machine, true); err != nil {
			return err
		}
		b, err := in.book(tx, machine)
		if err != nil {
			return err
		}
		boot = in.newBoot(machine, b.Next+1)
		b.Next++
		b.Boots = append(b.Boots, boot)
		gone, err = in.dropBoots(tx, &b, excess(b.Boots))
		if err != nil {
			return err
		}
		return in.books.In(tx).Put(machine, b)
	})
	return boot, gone, err
}

func (in *Inventory) newBoot(machine string, seq uint64) Boot {
	id := fmt.Sprintf("%s-%d", machine, seq)
	return Boot{ID: id, Seq: seq, Machine: machine, User: id, Secret: newSecret(), Reverse: newReverse(id), Created: in.now().UTC()}
}

// PassingBoot is a boot that is on no record. No stored boot has its name, which
// begins with prefix and a colon.
func PassingBoot(prefix, machine string) Boot {
	id := prefix + ":" + strings.ToLower(rand.Text()[:12])
	return Boot{ID: id, Machine: machine, User: id, Secret: newSecret(), Reverse: newReverse(id)}
}

// newReverse is what proves a target to the one who logs in as user.
func newReverse(user string) Reverse { return Reverse{User: "target-of-" + user, Secret: newSecret()} }

// secretText is base64 with an alphabet that iPXE's scripts take as it is: a
// word that begins with "-" would be an option there.
var secretText = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._").WithPadding(base64.NoPadding)

// newSecret has 96 random bits, the least that RFC 7143, 9.2.1 allows without
// IPsec, in 16 characters, the most that Windows takes.
func newSecret() string {
	var b [12]byte
	rand.Read(b[:])
	return secretText.EncodeToString(b[:])
}

// excess are the pending boots beyond maxPending: first those that never asked
// for a disk, then the oldest. The newest stays.
func excess(boots []Boot) func(Boot) bool {
	var pending []Boot
	for _, b := range boots {
		if !b.Current {
			pending = append(pending, b)
		}
	}
	gone := map[string]bool{}
	for _, diskless := range []bool{true, false} {
		for i, b := range pending {
			if len(pending)-len(gone) > maxPending && i < len(pending)-1 && (b.Volume == "") == diskless {
				gone[b.ID] = true
			}
		}
	}
	return func(b Boot) bool { return gone[b.ID] }
}

// Promote makes boot the current one of its machine, and drops all older ones.
// A boot older than the current one is refused with *StaleBootError.
// Promoting the current boot again changes nothing.
func (in *Inventory) Promote(ctx context.Context, id string) (Boot, Superseded, error) {
	var boot Boot
	var gone Superseded
	err := in.changeBoot(ctx, id, func(tx *store.Tx, b *book, x *Boot) (err error) {
		if x == nil {
			return goneBoot(id, b)
		}
		if cur := b.current(); cur != nil && cur.Seq > x.Seq {
			return &StaleBootError{Boot: id, Current: cur.ID}
		}
		if !x.Current {
			x.Current, x.Held = true, in.now().UTC()
		}
		boot = *x
		gone, err = in.dropBoots(tx, b, func(o Boot) bool { return o.Seq < boot.Seq })
		return err
	})
	return boot, gone, err
}

// goneBoot is the error for a boot that is no longer in the book: older than
// the current one, or unknown.
func goneBoot(id string, b *book) error {
	cur := b.current()
	if cur != nil && seqOf(id) != 0 && seqOf(id) < cur.Seq {
		return &StaleBootError{Boot: id, Current: cur.ID}
	}
	return &NotFoundError{Kind: "boot", Name: id}
}

// SetBoot lets change alter a boot's volume and digest.
func (in *Inventory) SetBoot(ctx context.Context, id string, change func(*Boot)) (Boot, error) {
	var boot Boot
	err := in.changeBoot(ctx, id, func(tx *store.Tx, b *book, x *Boot) error {
		if x == nil {
			return goneBoot(id, b)
		}
		changed := *x
		change(&changed)
		if changed.Volume != "" {
			if _, err := lookup(in.volumes.In(tx), "volume", changed.Volume, false); err != nil {
				return err
			}
		}
		x.Volume, x.Digest = changed.Volume, changed.Digest
		boot = *x
		return nil
	})
	return boot, err
}

// changeBoot hands fn the book of the boot's machine and the boot in it, nil
// if it is not there, and stores the book.
func (in *Inventory) changeBoot(ctx context.Context, id string, fn func(*store.Tx, *book, *Boot) error) error {
	machine, err := machineOf(id)
	if err != nil {
		return err
	}
	return in.s.Update(ctx, func(tx *store.Tx) error {
		b, err := in.book(tx, machine)
		if err != nil {
			return err
		}
		if err := fn(tx, &b, b.find(id)); err != nil {
			return err
		}
		return in.books.In(tx).Put(machine, b)
	})
}

// DropBoots ends every boot of every machine but those to spare: after the host
// itself was restarted, no running machine may go on with a disk that has lost
// writes.
func (in *Inventory) DropBoots(ctx context.Context, spare func(Boot) bool) (Superseded, error) {
	var all Superseded
	books, err := in.books.List(ctx)
	for _, r := range books {
		gone, e := in.dropAll(ctx, r.Key, spare)
		err = errors.Join(err, e)
		all.Boots = append(all.Boots, gone.Boots...)
		all.Volumes = append(all.Volumes, gone.Volumes...)
	}
	return all, err
}

// EndBoots ends every boot of one machine: its disk may have lost writes that
// the machine believes in. It must boot again.
func (in *Inventory) EndBoots(ctx context.Context, machine string) error {
	_, err := in.dropAll(ctx, machine, func(Boot) bool { return false })
	return err
}

func (in *Inventory) dropAll(ctx context.Context, machine string, spare func(Boot) bool) (Superseded, error) {
	var gone Superseded
	err := in.s.Update(ctx, func(tx *store.Tx) error {
		b, err := in.book(tx, machine)
		if err != nil {
			return err
		}
		if gone, err = in.dropBoots(tx, &b, func(x Boot) bool { return !spare(x) }); err != nil {
			return err
		}
		return in.books.In(tx).Put(machine, b)
	})
	return gone, err
}

// dropBoots takes the boots that drop chooses out of b and finds the
// ephemeral volumes made for them.
func (in *Inventory) dropBoots(tx *store.Tx, b *book, drop func(Boot) bool) (gone Superseded, err error) {
	var keep []Boot
	for _, x := range b.Boots {
		if drop(x) {
			gone.Boots = append(gone.Boots, x)
		} else {
			keep = append(keep, x)
		}
	}
	b.Boots = keep
	if len(gone.Boots) == 0 {
		return gone, nil
	}
	for _, id := range b.Volumes {
		v, err := in.volumes.In(tx).Get(id)
		if err != nil {
			return gone, err
		}
		if slices.ContainsFunc(gone.Boots, func(x Boot) bool { return v.Mode == Ephemeral && x.ID == v.Boot }) {
			gone.Volumes = append(gone.Volumes, v)
		}
	}
	return gone, nil
}

// Boot is one boot by ID, which is also its CHAP name. *StaleBootError when a
// newer boot has taken its place, *NotFoundError when it is unknown.
func (in *Inventory) Boot(ctx context.Context, id string) (Boot, error) {
	machine, err := machineOf(id)
	if err != nil {
		return Boot{}, err
	}
	r, err := in.books.Get(ctx, machine)
	if errors.Is(err, store.ErrNotFound) {
		return Boot{}, &NotFoundError{Kind: "boot", Name: id}
	}
	if err != nil {
		return Boot{}, err
	}
	if x := r.Value.find(id); x != nil {
		return *x, nil
	}
	return Boot{}, goneBoot(id, &r.Value)
}

// Boots are a machine's boots that may still log in, oldest first.
func (in *Inventory) Boots(ctx context.Context, machine string) ([]Boot, error) {
	r, err := absentIsZero(in.books.Get(ctx, machine))
	return r.Value.Boots, err
}

// MachineOf is the machine in the name of a boot; "" if it is no boot's.
func MachineOf(boot string) string {
	machine, err := machineOf(boot)
	if err != nil {
		return ""
	}
	return machine
}

// machineOf is the machine in the name of a boot.
func machineOf(boot string) (string, error) {
	i := strings.LastIndexByte(boot, '-')
	if i <= 0 || seqOf(boot) == 0 {
		return "", &NotFoundError{Kind: "boot", Name: boot}
	}
	return boot[:i], nil
}

// seqOf is the number in the name of a boot; 0 if there is none.
func seqOf(boot string) uint64 {
	var n uint64
	digits := boot[strings.LastIndexByte(boot, '-')+1:]
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' {
		return 0
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}
