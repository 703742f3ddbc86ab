// Package structure_test holds the shape of the house: which package may
// import which, and that each says what it is.
package structure_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "bootes.dev/"

// floors lists the packages from the top of the house to the bottom, as
// docs/ARCHITECTURE.md draws it. A package may import only packages of floors
// below its own.
var floors = [][]string{
	{"cmd/bootes", "cmd/lab"},
	{"internal/demo", "internal/lab/bench", "internal/doctor"},
	{"internal/api", "internal/lab/site", "internal/lab/load", "internal/lab/room", "internal/simulate", "internal/targets", "internal/locator"},
	{"internal/dhcp", "internal/tftp", "internal/httpboot", "internal/iscsi", "internal/ra", "internal/metrics", "internal/lab", "internal/initiator"},
	{"internal/boot", "internal/capture", "internal/layout", "internal/shelf", "internal/cow/cowbench"},
	{"internal/diskcheck"},
	{"internal/storage", "internal/diagnose", "internal/scsi", "internal/iscsi/pdu", "internal/golden"},
	{"internal/guestfs"},
	{"internal/inventory", "internal/recorder", "internal/cow", "internal/ipxe", "internal/diskimage", "internal/backup"},
	{"internal/store", "internal/block", "internal/cow/vfs", "internal/config", "internal/netif", "internal/trace", "internal/loaders"},
	{"internal/bytesize", "internal/bootfile", "internal/diskspace", "internal/dhcpsnippet", "internal/goals", "internal/quantile", "internal/crowd"},
}

// testOnly packages serve tests; no program imports them.
var testOnly = []string{"internal/block/blocktest", "internal/cow/crashfs", "internal/needs", "internal/loaders/loaderstest", "internal/netif/nettest", "internal/testrun"}

type pkg struct {
	ImportPath, Doc string
	Imports         []string
	GoFiles         []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,GoFiles", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
			all = append(all, p)
		}
	}
	if len(all) < 5 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func floor(name string) int {
	return slices.IndexFunc(floors, func(f []string) bool { return slices.Contains(f, name) })
}

func TestImportsPointDownwards(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(testOnly, p.ImportPath) {
			continue
		}
		from := floor(p.ImportPath)
		if from < 0 {
			t.Errorf("%s stands on no floor: add it to floors and to docs/ARCHITECTURE.md", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			name, ours := strings.CutPrefix(imp, module)
			if ours && floor(name) <= from {
				t.Errorf("%s imports %s, which does not stand below it", p.ImportPath, name)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
