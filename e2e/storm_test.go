//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bootes.dev/internal/api"
	"bootes.dev/internal/simulate"
)

// testStorm boots a simulated room, of which nothing must be left. What its
// machines read was recorded before.
func testStorm(t *testing.T, f *fixture, guests ...*guest) {
	during(t, f, guests...)
	const room = 50
	var x api.Trace
	f.json(&x, "image", "trace", imageRef)
	known, disks := f.known(), f.disks()
	out, err := f.Net.Run(t.Context(), program, "--socket", f.Socket, "simulate", "--room", "50", "--image", imageRef, "--full-speed", "--interface", "br0", "-o", "json")
	var r simulate.RoomReport
	report := out[max(bytes.IndexByte(out, '{'), 0):] // progress comes first
	if err != nil || json.Unmarshal(report, &r) != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Booted != room || len(r.Failures) != 0 || r.Bytes != room*x.Bytes || r.Reads.Count != int64(room*len(x.Reads)) || len(r.Stages) != 6 {
		t.Errorf("%+v", r)
	}
	for _, s := range append(r.Stages, r.Boot) {
		if s.Count != room || s.P50US <= 0 || s.P99US < s.P50US {
			t.Errorf("%+v", s)
		}
	}
	t.Logf("a room of %d in %v: boots %+v, READs %+v", room, r.Took(), r.Boot, r.Reads)
	if now := f.known(); !slices.Equal(now, known) {
		t.Errorf("there are %q, before %q", now, known)
	}
	f.unchanged(t, disks)
	for _, mark := range [][]byte{[]byte("06:b0:07:"), []byte("simulated-"), {0x06, 0xb0, 0x07, 0x00, 0x00}} {
		for _, path := range f.holding(t, mark) {
			t.Errorf("%s holds % x", path, mark)
		}
	}
}

// known lists the machines, volumes and leases that there are.
func (f *fixture) known() (names []string) {
	f.t.Helper()
	var machines []api.Machine
	f.json(&machines, "machine", "list")
	for _, m := range machines {
		names = append(names, "machine "+m.Name)
	}
	var volumes api.VolumeList
	f.json(&volumes, "volume", "list")
	for _, v := range volumes.Volumes {
		names = append(names, "volume "+v.ID)
	}
	var leases []api.Lease
	f.json(&leases, "lease", "ls")
	for _, l := range leases {
		names = append(names, fmt.Sprintf("lease %s of %s", l.Address, l.MAC))
	}
	return names
}

// holding lists files of the server, but for disks, that hold some bytes.
func (f *fixture) holding(t *testing.T, b []byte) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(f.dataDir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "layers" || d.Name() == "volumes"):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, b) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
