package iscsi

import (
	"regexp"
	"strings"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/cow"
)

// suiteSkips is every line by which libiscsi's suite passes over a test, with
// the reason why it may.
var suiteSkips = map[string]string{
	"WRITEATOMIC16 is not implemented.":                                                    "nothing larger than a sector is atomic in the engine",
	"SANITIZE is not implemented.":                                                         "a clone cannot sanitize the image that it shares",
	"SANITIZE OVERWRITE is not implemented according to REPORT_SUPPORTED_OPCODES.":         "the same",
	"SANITIZE BLOCK_ERASE is not implemented according to REPORT_SUPPORTED_OPCODES.":       "the same",
	"SANITIZE CRYPTO_ERASE is not implemented according to REPORT_SUPPORTED_OPCODES.":      "the same",
	"SANITIZE EXIT FAILURE MODE is not implemented according to REPORT_SUPPORTED_OPCODES.": "the same",
	"Logical unit is not removable. Skipping test.":                                        "a disk is not",
	"LUN is not removable. Skipping test.":                                                 "a disk is not",
	"Media is not removable.":                                                              "a disk's is not",
	"WRITESAME10 does not support 0-blocks.":                                               "WSNZ: a count of 0 is no way to wipe a disk",
	"WRITESAME16 does not support 0-blocks.":                                               "WSNZ",
	"Logical unit is not write-protected. Skipping test.":                                  "another run has one that is",
}

// suiteFailures is what may fail, with the clause that proves the suite wrong.
var suiteFailures = map[string]string{
	// Asks for the status from LBA 9 on and wants an answer for LBA 16, which
	// is the same only with one logical block per physical. SBC-3, 5.4.2: the
	// first descriptor has the starting LBA of the CDB.
	"Suite GetLBAStatus, Test UnmapSingle": "SBC-3, 5.4.2",
}

// libiscsi's own suite: by two paths to one disk, with digests, and the part
// for a disk that cannot be written. They run side by side because the suite
// sleeps.
func TestLibiscsiSuite(t *testing.T) {
	for name, c := range map[string]struct {
		lun, tests, second string
		disk               block.Device
	}{
		"two paths":     {"/0", "ALL", "/0", newMemory(64 << 20)},
		"digests":       {"/0?header_digest=crc32c", "ALL", "/0?header_digest=crc32c", newMemory(64 << 20)},
		"read-only":     {"/1", "ALL.ReadOnly", "/1", newMemory(64 << 20)},
		"copy on write": {"/0", "ALL.GetLBAStatus", "/0", newClone(t, 64<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, addr := serve(t, Options{Authority: newAuthority(c.disk)})
			runSuite(t, "-d", "-S", "-V", "-t", c.tests,
				url(addr, account, testTarget+c.lun), url(addr, account, testTarget+c.second))
		})
	}
}

// newClone is a disk of the engine that serves machines, on an image that has
// content in its first half.
func newClone(t *testing.T, size int64) block.Device {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	e, err := cow.Open(t.TempDir(), cow.Options{})
	check(err)
	t.Cleanup(func() { check(e.Close()) })
	image, err := e.NewLayerOn("", size)
	check(err)
	_, err = image.WriteAt(random(int(size/2)), 0)
	check(err)
	base, err := image.Seal(t.Context())
	check(err)
	_, err = e.CreateVolume(cow.VolumeSpec{ID: "clone", Base: base.ID})
	check(err)
	v, err := e.OpenVolume("clone")
	check(err)
	t.Cleanup(func() { check(v.Close()) })
	return v
}

func runSuite(t *testing.T, args ...string) {
	t.Helper()
	out, err := tool(t, "iscsi-test-cu", args...)
	for _, m := range regexp.MustCompile(`(?m)^(Suite \w+, Test \w+) had failures`).FindAllStringSubmatch(out, -1) {
		if suiteFailures[m[1]] == "" {
			t.Errorf("failed: %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`\[SKIPPED\] (.*)`).FindAllStringSubmatch(out, -1) {
		if suiteSkips[strings.TrimSpace(m[1])] == "" {
			t.Errorf("skipped without a reason: %s", m[1])
		}
	}
	summary := regexp.MustCompile(`tests +(\d+) +(\d+) +(\d+) +(\d+)`).FindString(out)
	if summary == "" {
		t.Fatalf("no summary, %v:\n%s", err, out[max(0, len(out)-2000):])
	}
	t.Log(summary)
}
