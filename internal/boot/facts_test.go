package boot

import (
	"net/url"
	"strings"
	"testing"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
)

func TestHardwareByFacts(t *testing.T) {
	for query, want := range map[string]inventory.Hardware{
		"": {},
		"uuid=4c4c4544-0042-3510-8057-b4c04f4a4d32&manufacturer=Dell+Inc.&product=OptiPlex%207090&serial=5CG12&chip=snponly&bus=01-80-86-10-0e&m0=0020&m1=0020&m2=&m3=0000&x0=&x1=": {
			UUID: "4c4c4544-0042-3510-8057-b4c04f4a4d32", Serial: "5CG12", Manufacturer: "Dell Inc.", Product: "OptiPlex 7090", Memory: 16 << 30, NIC: "snponly 8086:100e",
		},
		"uuid=03000200-0400-0500-0006-000700080009&serial=Default+string&bus=02:12:34": {},
		"m0=ff7f&x0=00000100&m1=ffff&m2=0082&m3=zz&m4=00&chip=rtl8168":                 {Memory: 64<<30 + 512<<10, NIC: "rtl8168"},
	} {
		f, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := hardware(f); got != want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", query, got, want)
		}
	}
}

func FuzzHardware(f *testing.F) {
	f.Add("uuid=4c4c4544-0042-3510-8057-b4c04f4a4d32&serial=x&m0=0020&x0=00000100&bus=01-80-86-10-0e")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if h := hardware(v); h.Memory < 0 || h.UUID != inventory.RealUUID(h.UUID) || len(describe(h)) > len(h.Manufacturer)+len(h.Product)+len(h.Serial)+9 {
			t.Errorf("%+v", h)
		}
	})
}

// TestNoLongMode: only a machine with a BIOS is asked, and what it says is on its
// timeline.
func TestNoLongMode(t *testing.T) {
	for fw, want := range map[loaders.Firmware]bool{loaders.BIOS: true, loaders.EFI64: false} {
		h := newHouse(t)
		h.discover(mac1, fw, false)
		h.discover(mac1, fw, true)
		text, err := h.Script(t.Context(), Asker{MAC: parseMAC(mac1), Remote: addr1, Local: server})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(text, "/ipxe/52-54-00-00-00-01?report=1&lm=0 "); got != want {
			t.Errorf("%s: the script is\n%s", fw, text)
		}
		if got, err := h.Script(t.Context(), Asker{MAC: parseMAC(mac1), Remote: addr2, Local: server, Facts: url.Values{"lm": {"0"}}}); err == nil || h.told("no 64-bit mode") {
			t.Errorf("another may say so: %q", got)
		}
		if _, err := h.Script(t.Context(), Asker{MAC: parseMAC(mac1), Remote: addr1, Local: server, Facts: url.Values{"lm": {"0"}}}); err != nil || !h.told("no 64-bit mode") {
			t.Errorf("%s: %v", fw, err)
		}
	}
}
