package main

import (
	"testing"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/dhcp"
)

func TestEveryFirmwareIsKnownToBoot(t *testing.T) {
	seen := map[boot.Firmware]dhcp.Firmware{}
	for f := dhcp.FirmwareNone; f.String() != "unknown"; f++ {
		fw, ok := firmwares[f]
		if twin, twice := seen[fw]; !ok || twice {
			t.Errorf("%s is %q to package boot, as is %s", f, fw, twin)
		}
		seen[fw] = f
	}
}
