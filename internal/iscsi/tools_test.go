package iscsi

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/needs"
)

// tool runs a real initiator and returns what it says.
func tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	return toolFor(t, 2*time.Minute, name, args...)
}

func toolFor(t *testing.T, limit time.Duration, name string, args ...string) (string, error) {
	t.Helper()
	needs.Program(t, name, "libiscsi-bin or qemu-utils")
	cmd := exec.Command(name, args...)
	timer := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func url(addr, account, rest string) string { return "iscsi://" + account + "@" + addr + "/" + rest }

const account = testUser + "%" + testSecret

func TestLibiscsiTools(t *testing.T) {
	_, addr := serve(t, Options{Authority: newAuthority(newMemory(16 << 20))})
	for _, c := range []struct {
		args  []string
		wants []string
		fails bool
	}{
		{[]string{"iscsi-ls", "-s", url(addr, account, "")}, []string{testTarget, "Lun:0", "Lun:1"}, false},
		{[]string{"iscsi-inq", url(addr, account, testTarget+"/0")}, []string{"Vendor:BOOTES", "Product:DISK"}, false},
		{[]string{"iscsi-inq", "-e", "1", "-c", "131", url(addr, account, testTarget+"/0")}, []string{"Designator"}, false},
		{[]string{"iscsi-inq", url(addr, account, testTarget+"/1")}, []string{"Product:IDENTITY"}, false},
		{[]string{"iscsi-readcapacity16", url(addr, account, testTarget+"/0")}, []string{"Total size:16777216", "LBPME:1 LBPRZ:1"}, false},
		{[]string{"iscsi-ls", url(addr, testUser+"%wrong", "")}, nil, true},
		{[]string{"iscsi-ls", "iscsi://" + addr + "/"}, nil, true},
		{[]string{"iscsi-inq", url(addr, testUser+"%wrong", testTarget+"/0")}, nil, true},
		{[]string{"iscsi-inq", "iscsi://" + addr + "/" + testTarget + "/0"}, nil, true},
		{[]string{"iscsi-inq", url(addr, account, "iqn.2026-01.dev.bootes:other/0")}, nil, true},
	} {
		out, err := tool(t, c.args[0], c.args[1:]...)
		if (err != nil) != c.fails || c.fails && strings.Contains(out, testTarget+" Portal") {
			t.Errorf("%q: %v\n%s", c.args, err, out)
		}
		for _, want := range c.wants {
			if !strings.Contains(out, want) {
				t.Errorf("%q does not say %q:\n%s", c.args, want, out)
			}
		}
	}
}

// libiscsi checks that the target proves itself, too.
func TestLibiscsiMutualCHAP(t *testing.T) {
	_, addr := serve(t, Options{Authority: prover{authority: newAuthority(newMemory(16 << 20)), secret: "another secret 22"}})
	for args, works := range map[string]bool{
		"target_user=target&target_password=another secret 22": true,
		"target_user=target&target_password=another secret 23": false,
	} {
		out, err := tool(t, "iscsi-inq", url(addr, account, testTarget+"/0?"+args))
		if (err == nil) != works || works && !strings.Contains(out, "Vendor:BOOTES") {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
}

func TestQEMUIO(t *testing.T) {
	disk := newMemory(32 << 20)
	_, addr := serve(t, Options{Authority: newAuthority(disk)})
	out, err := tool(t, "qemu-io", "-f", "raw", "-t", "none",
		"-c", "write -P 0x5a 512 3M", "-c", "write -f -P 0x5b 4k 4k", "-c", "flush", "-c", "discard 1M 64k",
		"-c", "read -P 0x5b 4k 4k", "-c", "read -P 0 1M 64k", "-c", "read -P 0x5a 2M 512k",
		url(addr, account, testTarget+"/0"))
	if err != nil || strings.Contains(out, "failed") {
		t.Errorf("%v\n%s", err, out)
	}
	if disk.flushes.Load() == 0 {
		t.Error("nothing was flushed")
	}
}
