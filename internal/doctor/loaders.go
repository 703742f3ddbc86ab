package doctor

import (
	"fmt"
	"os"
	"slices"

	"bootes.dev/internal/loaders"
)

// usual is the firmware of nearly every PC.
var usual = []loaders.Firmware{loaders.BIOS, loaders.EFI64}

func checkLoaders(folders []string) []Finding {
	g := group{check: "loaders"}
	var all []loaders.Folder
	for _, path := range folders {
		root, err := os.OpenRoot(path)
		if err != nil {
			g.fail(fmt.Sprintf("folder %s cannot be opened: %v", path, err), "apt-get install ipxe, or correct loaders: in the config")
			continue
		}
		defer root.Close()
		all = append(all, loaders.Folder{Path: path, FS: root.FS()})
	}
	if len(all) == 0 {
		return g.all
	}
	found := loaders.NewFolders(all...)
	for _, fw := range usual {
		if l, err := found.Find(fw); err != nil {
			g.fail(err.Error(), "apt-get install ipxe")
		} else {
			g.ok(fmt.Sprintf("%s: %s of %s", fw, l.Name, l.Folder))
		}
	}
	if l, err := found.Find(loaders.EFI64); err == nil && !l.Signed {
		g.ok("none is signed: machines with Secure Boot must have it switched off")
	}
	rarer := slices.DeleteFunc(found.Lack(), func(fw loaders.Firmware) bool { return slices.Contains(usual, fw) })
	if n := len(rarer); n > 0 {
		g.ok(fmt.Sprintf("none for %d kinds of rarer firmware; `bootes loaders` lists them, and what would help", n))
	}
	return g.all
}
