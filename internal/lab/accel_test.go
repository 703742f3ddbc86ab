package lab

import (
	"context"
	"testing"
)

// The probe comes to its end where the processor works, and says no to what does
// not start or hangs.
func TestAccelProbe(t *testing.T) {
	Require(t, qemuProgram)
	if !runsFirmware(t.Context(), emulation) {
		t.Error("firmware does not run to its end under emulation")
	}
	if runsFirmware(t.Context(), "no such accelerator") {
		t.Error("firmware runs under an accelerator that there is not")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if runsFirmware(ended, emulation) {
		t.Error("firmware runs when nobody waits for it")
	}
}
