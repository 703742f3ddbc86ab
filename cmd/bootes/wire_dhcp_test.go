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

func TestAnOfferOfAnIntruderIsNamed(t *testing.T) {
	const want = ", which was not here before: two DHCP servers on one network give out clashing addresses, switch one off"
	if got := rogueText(dhcp.Reply{Rogue: true}); got != want {
		t.Errorf("%q", got)
	}
	if got := rogueText(dhcp.Reply{}); got != "" {
		t.Errorf("%q", got)
	}
}
