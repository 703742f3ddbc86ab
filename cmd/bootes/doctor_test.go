package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootes.dev/internal/doctor"
	"bootes.dev/internal/netif/nettest"
)

func TestDoctor(t *testing.T) {
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	dir := t.TempDir()
	path := filepath.Join(dir, "bootes.yaml")
	os.WriteFile(path, []byte("data: "+dir+"\nloaders: ["+dir+"]\napi: {socket: "+dir+"/sock}\ninterfaces:\n  - name: br0\n"), 0o600)
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"doctor", "--config", path}, &out, &errs); code != exitFaulty {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"config\n  ok    " + path + " is good\nserver\n  ok    none runs on this computer\n",
		"interface br0\n  warn  it is a bridge without a port\n        remedy: put the network card ",
		"ports\n  ok    free: udp 67 (DHCP) on br0, udp 4011 (PXE) on br0, udp 69 (TFTP), tcp 80 (HTTP), tcp 3260 (iSCSI)\n",
		"other DHCP servers\n  warn  none answers on br0",
		", failed: 2\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if want := "bootes: machines will not boot from here until what failed is mended\n"; errs.String() != want {
		t.Errorf("said %q", errs.String())
	}

	out.Reset()
	if code := run(t.Context(), []string{"doctor", "-o", "json", "--config", filepath.Join(dir, "none.yaml"), "--interface", "br0"}, &out, &errs); code != exitOK {
		t.Errorf("exit code %d of JSON", code)
	}
	var all examined
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || all.Status != doctor.Warn || len(all.Findings) < 8 || all.Findings[0].Status != doctor.Warn {
		t.Errorf("%v in %s", err, out.String())
	}
}

func TestDoctorTexts(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"doctor", "--interface", "eth7"}, &out, &errs); code != exitNotFound || !strings.Contains(errs.String(), `find interface "eth7": no such interface`) {
		t.Errorf("%d: %s", code, errs.String())
	}
	if verdict([]doctor.Finding{{Status: doctor.Warn}}) != nil {
		t.Error("a warning is a failure")
	}
}
