package golden

import (
	"bytes"
	"testing"
)

func TestLinkGRUB(t *testing.T) {
	boot := make([]byte, sectorSize)
	core := make([]byte, 3*sectorSize+1)
	if err := linkGRUB(boot, core, 0x0102030405); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		got  []byte
		want []byte
	}{
		{"boot.img: first sector of core.img", boot[0x5c:0x64], []byte{5, 4, 3, 2, 1, 0, 0, 0}},
		{"core.img: its second sector", core[0x1f4:0x1fc], []byte{6, 4, 3, 2, 1, 0, 0, 0}},
		{"core.img: sectors after the first", core[0x1fc:0x1fe], []byte{3, 0}},
	} {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s: % x, want % x", tt.name, tt.got, tt.want)
		}
	}
	boot[0x5c], core[0x1f4], core[0x1fc] = 0, 0, 0
}

func TestLinkGRUBRefuses(t *testing.T) {
	for _, tt := range []struct {
		name       string
		boot, core int
	}{
		{"short boot.img", 446, 4 * sectorSize},
		{"core.img of one sector", sectorSize, sectorSize},
		{"core.img larger than its partition", sectorSize, coreMaxSectors*sectorSize + 1},
	} {
		if err := linkGRUB(make([]byte, tt.boot), make([]byte, tt.core), biosStart); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
	if err := linkGRUB(make([]byte, sectorSize), make([]byte, coreMaxSectors*sectorSize), biosStart); err != nil {
		t.Errorf("core.img that just fits: %v", err)
	}
}
