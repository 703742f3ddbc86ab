package main

import (
	"encoding/json"
	"strings"
	"testing"

	"bootes.dev/internal/api"
)

// TestImageThatNobodyBoots: what is sure is a failure for scripts.
func TestImageThatNobodyBoots(t *testing.T) {
	t.Setenv("BOOTES_SOCKET", serveWorld(t, newLab()))
	out, errs, code := bootes(t, "image", "check", "debian:12")
	if code != exitFaulty || out != "  ok    the initramfs on its disk has iSCSI\n  note  line 3 of p3:/etc/fstab mounts /home from nas:/home; not looked whether that is there\n  fail  the kernel p3:/vmlinuz is not there\n        remedy: install it again\n" ||
		!strings.Contains(errs, "no machine boots image debian:12 as it is") {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
	out, _, code = bootes(t, "image", "check", "debian:12", "-o", "json")
	var k api.Checked
	if err := json.Unmarshal([]byte(out), &k); err != nil || code != exitFaulty || len(k.Faults) != 1 || k.Faults[0].Name != "kernel-missing" {
		t.Errorf("code %d, %v: %s", code, err, out)
	}
	if _, errs, code := bootes(t, "image", "check", "debian:12", "--card", "8086:100e"); code != exitFaulty || !strings.Contains(errs, "no machine with the network card 8086:100e boots image debian:12") {
		t.Errorf("code %d: %s", code, errs)
	}
	if _, errs, code := bootes(t, "image", "check", "debian:12", "--card", "e1000"); code != exitUsage || !strings.Contains(errs, "card") {
		t.Errorf("code %d: %s", code, errs)
	}
}
