//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"bootes.dev/internal/lab"
)

// TestChainload starts two computers whose ROM is an iPXE without iSCSI, as old
// NICs have it. One is helped by the iPXE that it is given; for the other that is
// no better, and its own screen says so before it has loaded it for ever.
func TestChainload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverMode)
	filters := map[string]*lab.PoorIPXE{"pc1": {}, "pc2": {Always: true}}
	pcs := map[string]*guest{}
	for name, mac := range map[string]string{"pc1": "52:54:00:00:00:01", "pc2": "52:54:00:00:00:02"} {
		f.cli("machine", "add", name, "--mac", mac, "--image", imageRef, "--ephemeral")
		pcs[name] = f.computer(lab.GuestOptions{Name: name, MAC: mac, Filters: []lab.Filter{filters[name]}})
		if err := pcs[name].PowerOn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for _, step := range []string{"its iPXE was built without iSCSI, so it is given another one", "undionly.kpxe sent by TFTP", "script made", "first read"} {
		f.waitFor(ctx, "pc1", step)
	}
	if err := pcs["pc2"].expect(ctx, 2*time.Minute, `Bootes: pc2 has loaded undionly.kpxe 2 times, and would for ever:`); err != nil {
		t.Error(err)
	}
	f.waitFor(ctx, "pc2", "a loop is broken: iPXE has loaded undionly.kpxe 2 times, and would for ever: "+
		"undionly.kpxe is iPXE without iSCSI. Remedy: put a build of iPXE that has it into the first folder of loaders: in the config")
	if made := f.events("pc2", "script made"); len(made) != 0 {
		t.Errorf("pc2: %q", made)
	}
}
