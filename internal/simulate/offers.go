package simulate

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bootes.dev/internal/dhcp"
)

// again is when a DISCOVER is sent, as from the first one.
var again = []time.Duration{0, time.Second, 3 * time.Second}

// settle is how long other offers are waited for once there is one that is enough.
const settle = 800 * time.Millisecond

// discover sends DISCOVERs and gathers the offers.
func (p *player) discover(ctx context.Context, f Firmware) ([]Answer, error) {
	xid := newXid()
	answers, end := p.wire.Expect(xid)
	defer end()
	p.story.add(Out, "DISCOVER", f.class+said(f))
	var all []Answer
	start, sent := time.Now(), 0
	until := start.Add(p.Wait)
	for {
		next := until
		if sent < len(again) {
			at := start.Add(again[sent])
			if !time.Now().Before(at) {
				if err := p.wire.Broadcast(p.client.message(f, dhcp.Discover, xid, uint16(4*sent))); err != nil {
					return nil, err
				}
				sent++
				continue
			}
			next = earlier(at, until)
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case a := <-answers:
			if p.heard(f, a, &all) && enough(all) {
				until = earlier(until, time.Now().Add(settle))
				sent = len(again)
			}
		case <-timer.C:
			if !time.Now().Before(until) {
				return all, ctx.Err()
			}
		case <-ctx.Done():
			return all, ctx.Err()
		}
		timer.Stop()
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// said is what a DISCOVER says of its sender beside the vendor class.
func said(f Firmware) string {
	text := fmt.Sprintf(", architecture %d", f.arch)
	if f.ipxe() {
		text += `, user class "iPXE"`
	}
	return text
}

// heard tells of an offer and keeps it, unless it was heard before.
func (p *player) heard(f Firmware, a Answer, all *[]Answer) bool {
	if a.Type != dhcp.Offer || a.chaddr != p.client.mac.String() || slices.ContainsFunc(*all, func(o Answer) bool { return o.From == a.From && o.Server == a.Server && o.File == a.File }) {
		return false
	}
	*all = append(*all, a)
	p.story.add(In, "OFFER", fmt.Sprintf("from %s%s: %s", a.From, by(a), a), meaning(f, a)...)
	return true
}

// by names a server further where its address is not its name, or another
// computer's card has sent the packet.
func by(a Answer) string {
	var parts []string
	if a.Server.IsValid() && a.Server != a.From {
		parts = append(parts, "as server "+a.Server.String())
	}
	if a.MAC != nil {
		parts = append(parts, a.MAC.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// meaning is what firmware makes of an offer.
func meaning(f Firmware, a Answer) (lines []string) {
	control, known := discovery(a)
	switch {
	case f.http && a.Class != "" && !strings.HasPrefix(a.Class, "HTTPClient"):
		lines = append(lines, "it does not say HTTPClient (option 60), so UEFI HTTP boot takes no URL from it")
	case f.http && a.File != "" && !strings.Contains(a.File, "://"):
		lines = append(lines, "UEFI HTTP boot wants a URL, and this is a file name")
	case a.Proxy() && !a.netboot():
		lines = append(lines, "without an address and without PXEClient (option 60) firmware does not look at it")
	case a.Proxy() && f.efi && !f.ipxe() && len(a.Vendor) > 0:
		lines = append(lines, "UEFI drops offers without an address that have option 43")
	case f.pi() && !a.forPi():
		lines = append(lines, `a Raspberry Pi looks for "Raspberry Pi Boot" in option 43`)
	case f.plain && a.Proxy():
		lines = append(lines, "it knows no proxies, and takes offers with an address only")
	case !a.Proxy() && a.netboot() && a.File != "" && f.binl(a) && !f.ipxe():
		lines = append(lines, "it says PXEClient (option 60) without option 43: UEFI takes it for Microsoft's BINL, and asks port 4011")
	case a.netboot() && known && control&8 != 0 && a.File != "":
		lines = append(lines, "option 43 says: fetch the file that is named here")
	case a.Proxy() && a.netboot() && !f.ipxe():
		lines = append(lines, "without option 43's word for it firmware asks port 4011 of that server what to fetch")
	}
	if a.noProxy {
		lines = append(lines, "option 175 spares iPXE its wait for a proxy")
	}
	return lines
}

// discovery is PXE_DISCOVERY_CONTROL of option 43 (PXE specification 2.1, table
// 2-1).
func discovery(a Answer) (control byte, ok bool) {
	v := options(a.Vendor, map[byte][]byte{})[6]
	if len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// menuItem is the first entry of option 43's boot menu that is a server's, as
// the answer to it names it.
func menuItem(a Answer) []byte {
	menu := options(a.Vendor, map[byte][]byte{})[9]
	for len(menu) >= 3 && len(menu) >= 3+int(menu[2]) {
		if !bytes.Equal(menu[:2], []byte{0, 0}) {
			return []byte{menu[0], menu[1], 0, 0}
		}
		menu = menu[3+int(menu[2]):]
	}
	return nil
}

// enough reports whether offers hold both an address and a file.
func enough(all []Answer) bool {
	lease := slices.ContainsFunc(all, func(a Answer) bool { return !a.Proxy() })
	file := slices.ContainsFunc(all, func(a Answer) bool { return a.File != "" || a.Proxy() })
	return lease && file
}
