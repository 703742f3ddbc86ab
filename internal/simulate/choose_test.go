package simulate

import (
	"net/netip"
	"strings"
	"testing"
)

func TestWhichOfferFirmwareTakes(t *testing.T) {
	at := netip.MustParseAddr
	here := []byte{6, 1, 8, 255}
	plain := Answer{Address: at("10.0.0.5"), From: at("10.0.0.1")}
	bootp := plain
	bootp.File = "bootp.0"
	full := bootp
	full.File, full.Class, full.Vendor = "full.efi", "PXEClient", here
	binl := full
	binl.Vendor = nil
	web := plain
	web.File, web.Class = "http://h/x.efi", "HTTPClient"
	proxy := Answer{From: at("10.0.0.2"), File: "proxy.0", Class: "PXEClient"}
	proxyHere := proxy
	proxyHere.Vendor = here
	menu := proxy
	menu.File, menu.Vendor = "", []byte{6, 1, 3, 9, 4, 0x80, 0, 1, 'x', 255}
	mute := Answer{From: at("10.0.0.3"), File: "mute.0"}
	noProxy := bootp
	noProxy.noProxy = true
	for name, tt := range map[string]struct {
		firmware string
		lease    Answer
		more     []Answer
		want     string // the file, "ask" before it if port 4011 is asked; "" for none
		means    string // of the last offer
	}{
		"full server":          {"efi", full, nil, "full.efi", "fetch the file that is named here"},
		"BINL":                 {"efi", binl, nil, "ask full.efi", "UEFI takes it for Microsoft's BINL, and asks port 4011"},
		"BINL, for a BIOS":     {"bios", binl, nil, "full.efi", ""},
		"BOOTP":                {"bios", bootp, nil, "bootp.0", ""},
		"proxy":                {"efi", plain, []Answer{proxy}, "ask proxy.0", "asks port 4011 of that server"},
		"proxy that says here": {"bios", plain, []Answer{proxyHere}, "proxy.0", "fetch the file that is named here"},
		"UEFI drops that":      {"efi", plain, []Answer{proxyHere}, "", "UEFI drops offers without an address that have option 43"},
		"menu":                 {"bios", plain, []Answer{menu}, "ask ", "asks port 4011 of that server"},
		"nothing for firmware": {"bios", plain, []Answer{mute}, "", "firmware does not look at it"},
		"proxy before BOOTP":   {"bios", bootp, []Answer{proxyHere}, "proxy.0", ""},
		"HTTP":                 {"http", web, nil, "http://h/x.efi", ""},
		"HTTP and a file":      {"http", bootp, nil, "", "UEFI HTTP boot wants a URL"},
		"HTTP and PXEClient":   {"http", full, nil, "", "it does not say HTTPClient"},
		"iPXE, proxy first":    {"ipxe", bootp, []Answer{proxy}, "proxy.0", ""},
		"iPXE without proxies": {"ipxe", noProxy, []Answer{proxy}, "bootp.0", ""},
		"U-Boot and a proxy":   {"uboot", plain, []Answer{proxy}, "", "it knows no proxies"},
		"U-Boot":               {"uboot", full, nil, "full.efi", ""},
		"Pi":                   {"rpi", plain, []Answer{{Vendor: []byte("\x09\x14\x00\x00\x11Raspberry Pi Boot"), File: "x"}}, "x", ""},
		"Pi and a file":        {"rpi", bootp, nil, "", `a Raspberry Pi looks for "Raspberry Pi Boot" in option 43`},
		"nothing":              {"efi", plain, nil, "", ""},
	} {
		f, err := FirmwareByName(tt.firmware)
		if err != nil {
			t.Fatal(err)
		}
		all := append([]Answer{tt.lease}, tt.more...)
		a, ask, ok := f.pick(tt.lease, all)
		got := a.File
		if ask {
			got = "ask " + got
		}
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
		if lines := strings.Join(meaning(f, all[len(all)-1]), "; "); !strings.Contains(lines, tt.means) {
			t.Errorf("%s means %q", name, lines)
		}
	}
}
