//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/iscsi"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/scsi"
)

// The portals of two servers: the first sends everybody to the second.
var (
	firstPortal = netip.MustParseAddrPort("10.77.0.1:3261")
	otherPortal = netip.MustParseAddrPort("10.77.0.1:3262")
)

// redirectSecret is all machines'.
const redirectSecret = "a-secret-of-24-letters.."

// redirector serves disks of the classic recipe at otherPortal, and redirects
// to there at firstPortal.
type redirector struct {
	recipe *lab.Recipe

	mu       sync.Mutex
	sent     []string // who was sent on: an initiator's name, and by what
	received []string // who was let in
}

func who(l iscsi.Login) string {
	if l.FromIPXE() {
		return "iPXE of " + l.Initiator
	}
	return "Linux of " + l.Initiator
}

func (r *redirector) Account(_ context.Context, _ iscsi.Login, user string) (string, bool) {
	return redirectSecret, user == "pc1" || user == "pc2"
}

func (r *redirector) Admit(_ context.Context, l iscsi.Login, _ string) (*iscsi.Grant, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.Local == firstPortal {
		r.sent = append(r.sent, who(l))
		return nil, &iscsi.Redirect{Portal: otherPortal}
	}
	r.received = append(r.received, who(l))
	machine := strings.TrimPrefix(l.Target, lab.RecipeIQN(""))
	return &iscsi.Grant{Owner: machine, Open: func(context.Context) (iscsi.Units, error) { return r.open(machine) }}, nil
}

func (r *redirector) open(machine string) (iscsi.Units, error) {
	f, err := os.OpenFile(r.recipe.DiskOf(machine), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	disk := scsi.NewDisk(fileDisk{f, info.Size()}, scsi.Identity{Vendor: "BOOTES", Product: "DISK", Revision: "1", Serial: machine})
	return iscsi.Units{1: {Disk: disk, Close: func() { f.Close() }}}, nil
}

func (r *redirector) Visible(context.Context, iscsi.Login, string) []string { return nil }

func (r *redirector) Refused(iscsi.Login, string, string) {}

// fileDisk is a disk in a plain file.
type fileDisk struct {
	*os.File
	size int64
}

func (d fileDisk) Size() int64 { return d.size }

func (d fileDisk) Flush() error { return d.Sync() }

func (d fileDisk) Unmap(off, length int64) error {
	_, err := d.WriteAt(make([]byte, length), off)
	return err
}

var _ block.Device = fileDisk{}

// serve serves both portals until the test ends.
func (r *redirector) serve(t *testing.T, n *lab.Net) {
	t.Helper()
	s := iscsi.New(iscsi.Options{Authority: r})
	ctx, cancel := context.WithCancel(context.Background())
	var servers sync.WaitGroup
	t.Cleanup(func() { cancel(); servers.Wait() })
	for _, portal := range []netip.AddrPort{firstPortal, otherPortal} {
		var ln net.Listener
		if err := n.Do(func() (err error) { ln, err = net.Listen("tcp4", portal.String()); return err }); err != nil {
			t.Fatal(err)
		}
		servers.Go(func() {
			if err := s.Serve(ctx, ln); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRedirect: iPXE under both firmwares, and Linux, go on where they are sent.
func TestRedirect(t *testing.T) {
	t.Parallel()
	lab.Require(t, append([]string{"qemu-system-x86_64"}, lab.RecipePrograms...)...)
	n := lab.New(t, lab.NetOptions{})
	ctx, cancel := context.WithTimeout(t.Context(), bootTime)
	defer cancel()
	r := new(redirector)
	var machines []lab.RecipeMachine
	for i, name := range []string{"pc1", "pc2"} {
		machines = append(machines, lab.RecipeMachine{
			Name: name, MAC: fmt.Sprintf("52:54:00:00:00:%02x", i+1), Image: golden, User: name, Secret: redirectSecret, Portal: firstPortal,
		})
	}
	var err error
	if r.recipe, err = n.StartRecipe(ctx, machines...); err != nil {
		t.Fatal(err)
	}
	r.serve(t, n)
	pc := bootBoth(ctx, t, n, machines)
	for _, m := range machines {
		r.followed(t, "iPXE of "+lab.RecipeInitiator(m.Name))
	}

	// iPXE has written into the iBFT where it was sent.
	linux := "Linux of " + lab.RecipeInitiator("pc1")
	if r.mu.Lock(); slices.Contains(r.sent, linux) || !slices.Contains(r.received, linux) {
		t.Errorf("the initramfs goes another way: sent %q, received %q", r.sent, r.received)
	}
	r.mu.Unlock()

	pc.login()
	pc.node(account{initiator: lab.RecipeInitiator("pc1"), user: "pc2", secret: redirectSecret, target: lab.RecipeIQN("pc2")}, firstPortal.String()).open()
	r.followed(t, linux)
	pc.want("lsblk -ndo TRAN /dev/sdb", "iscsi")
	pc.run("dd if=/dev/urandom of=/dev/sdb bs=1M seek=1024 count=8 oflag=direct 2>&1")
	pc.noErrors()
}

// bootBoth boots two machines, one under each firmware, and returns the one under
// BIOS, at its login prompt.
func bootBoth(ctx context.Context, t *testing.T, n *lab.Net, machines []lab.RecipeMachine) *guest {
	t.Helper()
	var guests []*guest
	for i, fw := range []lab.Firmware{lab.BIOS, lab.UEFI} {
		g, err := n.StartGuest(ctx, lab.GuestOptions{Name: machines[i].Name, MAC: machines[i].MAC, Firmware: fw})
		if err != nil {
			t.Fatal(err)
		}
		guests = append(guests, &guest{Guest: g, t: t})
	}
	// The second need not come further: the rest is Linux's, as on the first.
	if err := guests[1].expect(ctx, stageTime, `GRUB: loading`); err != nil {
		t.Fatal(err)
	}
	guests[1].PowerOff()
	if err := lab.WaitLogin(ctx, guests[0].Guest); err != nil {
		t.Fatal(err)
	}
	return guests[0]
}

// followed checks that somebody was sent on, and came.
func (r *redirector) followed(t *testing.T, who string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.sent, who) || !slices.Contains(r.received, who) {
		t.Errorf("%s has not been sent from one portal to the other: sent %q, received %q", who, r.sent, r.received)
	}
}
