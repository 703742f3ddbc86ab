package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/lab"
)

// bootTime bounds one boot.
const bootTime = 10 * time.Minute

// boots measures power-on to login, one guest at a time, the two servers in
// turn.
func (b *bench) boots(ctx context.Context) error {
	fmt.Fprintf(b.Out, "\n| firmware | Boötes, s | recipe, s | ratio of medians |\n|---|---|---|---|\n")
	for _, fw := range []lab.Firmware{lab.BIOS, lab.UEFI} {
		if b.UEFI && fw != lab.UEFI {
			continue
		}
		var ours, theirs []time.Duration
		for range b.Rounds {
			d, err := b.bootOurs(ctx, fw)
			if err != nil {
				return err
			}
			ours = append(ours, d)
			if d, err = b.bootRecipe(ctx, fw); err != nil {
				return err
			}
			theirs = append(theirs, d)
		}
		fmt.Fprintf(b.Out, "| %s | %s | %s | %.2f |\n", fw, seconds(ours), seconds(theirs), median(ours).Seconds()/median(theirs).Seconds())
	}
	return nil
}

func seconds(all []time.Duration) string {
	s := fmt.Sprintf("%.1f (", median(all).Seconds())
	for i, d := range all {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%.1f", d.Seconds())
	}
	return s + ")"
}

func (b *bench) bootOurs(ctx context.Context, fw lab.Firmware) (d time.Duration, err error) {
	s, end, err := b.bootes(ctx)
	if end != nil {
		defer func() { err = errors.Join(err, end()) }()
	}
	if err != nil {
		return 0, err
	}
	return b.timeBoot(ctx, s.Net, fw)
}

func (b *bench) bootRecipe(ctx context.Context, fw lab.Firmware) (d time.Duration, err error) {
	n, err := lab.NewNet(lab.NetOptions{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	identity, err := writeIdentity(n.Path("identity.tar"))
	if err != nil {
		return 0, err
	}
	if _, err := n.StartRecipe(ctx, lab.RecipeMachine{Name: pc, MAC: mac, Image: b.image, Identity: identity}); err != nil {
		return 0, err
	}
	return b.timeBoot(ctx, n, fw)
}

// writeIdentity gives the recipe's machine what Boötes gives its own, so that
// neither has to make host keys.
func writeIdentity(path string) (string, error) {
	id, err := inventory.NewIdentity(pc)
	if err != nil {
		return "", err
	}
	disk, err := boot.IdentityDisk(inventory.Machine{Name: pc, Identity: id})
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, disk, 0o600)
}

func (b *bench) timeBoot(ctx context.Context, n *lab.Net, fw lab.Firmware) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	unix.Sync() // neither pays for what was copied before
	time.Sleep(8 * time.Second)
	start := time.Now()
	g, err := n.StartGuest(ctx, lab.GuestOptions{Name: pc, Firmware: fw, MAC: mac})
	if err != nil {
		return 0, err
	}
	if err := lab.WaitLogin(ctx, g); err != nil {
		return 0, err
	}
	return time.Since(start), nil
}
