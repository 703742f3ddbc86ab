package boot

import (
	"net/netip"
	"testing"
	"time"
)

func TestProxyThatIsIgnored(t *testing.T) {
	h := newHouse(t)
	one, two := nameOf(t, h, mac1), nameOf(t, h, mac2)
	h.discover(mac1, EFI64, false)
	h.ProxyOffered(one)
	h.TookAddress(one, netip.MustParseAddr("10.0.0.2"))
	h.discover(mac2, BIOS, false)
	h.ProxyOffered(two)
	h.ProxyOffered("nobody")
	h.TookAddress("nobody", netip.Addr{})
	for mac, want := range map[string]string{
		mac1: "it has an address from DHCP server 10.0.0.2, and for " + h.Silence.String() + " has not come for what it was told to boot: its firmware ignores proxies, " +
			"or a switch keeps our offers from it (DHCP snooping). Remedy: tell that server what to boot, as `bootes dhcp-snippet` prints it",
		mac2: "it was told what to boot, and for " + h.Silence.String() + " has not come for it, nor taken an address: " +
			"no DHCP server has one for it. Remedy: `bootes dhcp-status` shows who answers there",
	} {
		if !eventually(func() bool { return said(h, mac, want) }) {
			t.Errorf("nothing says %q", want)
		}
	}
}

func TestProxyThatIsHeard(t *testing.T) {
	h := newHouse(t)
	h.Silence = 200 * time.Millisecond
	name := nameOf(t, h, mac1)
	h.discover(mac1, EFI64, false)
	h.ProxyOffered(name)
	h.discover(mac1, EFI64, true)
	h.ProxyOffered(name)
	time.Sleep(2 * h.Silence)
	if said(h, mac1, "told what to boot") {
		t.Error("an offer that led to iPXE is said to be ignored")
	}
}

func nameOf(t *testing.T, h *house, mac string) string {
	t.Helper()
	m, err := h.Inventory.MachineByMAC(t.Context(), mac)
	if err != nil {
		t.Fatal(err)
	}
	return m.Name
}
