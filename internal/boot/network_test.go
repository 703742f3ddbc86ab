package boot

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

// on counts the events of a subject's newest boot that begin with a text.
func (h *house) on(subject, text string) (n int) {
	b, _ := h.Recorder.Newest(subject)
	for _, all := range h.Recorder.Boots(subject) {
		for _, e := range all.Events {
			if all.ID == b.ID && strings.HasPrefix(e.Text, text) {
				n++
			}
		}
	}
	return n
}

func TestNetworkWarning(t *testing.T) {
	h := newHouse(t)
	const rival = "another DHCP server 10.0.0.66 has appeared"
	h.discovers(mac1, "", false)
	h.NetworkWarning("eth9", "elsewhere")
	h.NetworkWarning("br0", rival)
	h.NetworkWarning("br0", rival)
	if n := h.on("pc1", "on its network: "+rival); n != 1 {
		t.Errorf("pc1, under way, is told of it %d times, want once", n)
	}
	if n := h.on("pc1", "on its network: elsewhere"); n != 0 {
		t.Error("pc1 is told of another network")
	}
	h.discovers(mac2, "", false)
	if n := h.on("pc2", "on its network: "+rival); n != 1 {
		t.Errorf("pc2, which begins soon after, is told of it %d times, want once", n)
	}
	h.later(warningTime)
	h.discovers(mac2, "", false)
	if n := h.on("pc2", "on its network: "+rival); n != 0 {
		t.Error("a boot of later is told of it")
	}
	h.later(stale + time.Second)
	h.NetworkWarning("br0", "too late")
	if n := h.on("pc2", "on its network: too late"); n != 0 {
		t.Error("a machine that is long silent is told")
	}
	for range 3 * maxWarnings {
		h.NetworkWarning("br0", "again and again")
	}
	if n := len(h.warnings.of("br0", h.clock)); n != maxWarnings {
		t.Errorf("%d warnings are remembered, want %d", n, maxWarnings)
	}
}

func TestHTTPAsked(t *testing.T) {
	h := newHouse(t)
	h.discovers(mac1, "", true)
	for _, r := range []Asked{
		{http.MethodGet, "/files/isos/x.iso", 200, addr1},
		{http.MethodGet, "/files/isos/x.iso", 200, addr1},
		{http.MethodHead, "/loader/snponly.efi", 200, addr1},
		{http.MethodGet, "/loader/snponly.efi", 200, addr1}, // LoaderFetched tells of it
		{http.MethodGet, "/loader/other.efi", 404, addr1},
		{http.MethodGet, "/files/" + strings.Repeat("x", 500), 200, addr9}, // nobody's
	} {
		h.HTTPAsked(t.Context(), r)
	}
	b := h.Recorder.Boots("pc1")[0]
	var got []string
	for _, e := range b.Events[1:] {
		got = append(got, string(e.Level)+": "+e.Text)
	}
	want := "info: fetches /files/isos/x.iso by HTTP|info: asks by HTTP how large /loader/snponly.efi is|" +
		"warn: asks by HTTP for /loader/other.efi, and is answered 404 Not Found"
	if strings.Join(got, "|") != want || b.Events[1].Again != 1 {
		t.Errorf("got  %s\nwant %s, the first again once", strings.Join(got, "|"), want)
	}
	for n := range 100 {
		h.HTTPAsked(t.Context(), Asked{http.MethodGet, fmt.Sprint("/files/", n), 200, addr1})
	}
	b = h.Recorder.Boots("pc1")[0]
	last := b.Events[len(b.Events)-1]
	if n := len(b.Events); n > maxAsked+5 || last.Text != "fetches more by HTTP" || last.Again < 10 || last.Level != recorder.Info {
		t.Errorf("an installer: %d events, the last %+v", n, last)
	}
	before := last.Again
	h.later(time.Minute)
	h.HTTPAsked(t.Context(), Asked{http.MethodGet, "/files/late", 200, addr1})
	b = h.Recorder.Boots("pc1")[0]
	if last := b.Events[len(b.Events)-1]; last.Again != before+1 {
		t.Errorf("a minute later: %+v, want one more", last)
	}
}

// TestRefusedScripts: who is refused a script, and whose it was, both see it.
func TestRefusedScripts(t *testing.T) {
	h := newHouse(t)
	ask := func(mac string, from netip.Addr) error {
		_, err := h.Script(t.Context(), Asker{MAC: parseMAC(mac), Remote: from, Local: server})
		return err
	}
	if err := ask(mac1, addr2); err == nil { // pc1 is not even starting
		t.Fatal("pc2 was given pc1's script")
	}
	h.discovers(mac1, "", true)
	h.discovers(mac2, "", true)
	for range 3 {
		if err := ask(mac1, addr2); err == nil {
			t.Fatal("pc2 was given pc1's script")
		}
	}
	why := `script of "pc1" asked for from 10.77.0.102, which is 52:54:00:00:00:02: address is not that machine's`
	if n := h.on("pc1", "no script: "+why); n != 1 {
		t.Errorf("pc1 has it %d times, want once: %+v", n, h.Recorder.Boots("pc1"))
	}
	if n := h.on("pc2", "asks for the script of 52:54:00:00:00:01, and gets none: "+why); n != 1 {
		t.Errorf("pc2 has it %d times, want once: %+v", n, h.Recorder.Boots("pc2"))
	}
	boots := h.Recorder.Boots("pc1")
	if first := boots[len(boots)-1].Events[0]; first.Text != "no script: "+why {
		t.Errorf("before pc1 started: %+v", first)
	}
	h.later(stale + time.Second)
	if err := ask(mac1, addr1); err != nil {
		t.Fatal(err)
	}
	if n := h.on("pc1", "10.77.0.101 asks for its script, and is told to start over: it has not just asked for an address as iPXE"); n != 1 {
		t.Errorf("pc1 has it %d times, want once: %+v", n, h.Recorder.Boots("pc1"))
	}
}

// TestFetchesAreBounded: whoever asks for ever new files does not push the timelines
// of others out.
func TestFetchesAreBounded(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, true)
	for i := range maxTransfers + 50 {
		h.LoaderFetched(t.Context(), Fetched{Name: fmt.Sprint(i), Proto: "TFTP", Remote: addr1, Err: fs.ErrNotExist})
	}
	n, more := h.on("pc1", "asks by TFTP for "), h.on("pc1", "asks for more files")
	if n != maxTransfers || more != 1 {
		t.Errorf("%d on record, and %d times more", n, more)
	}
}

func TestOutside(t *testing.T) {
	own, second := netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("10.88.0.1/24")
	gave := func(has string) diagnose.DHCP {
		return diagnose.DHCP{From: netip.MustParseAddr("10.88.0.2"), Has: netip.MustParseAddr(has)}
	}
	relayed, ours := gave("10.88.0.57"), gave("10.88.0.57")
	relayed.Relay, ours.From = netip.MustParseAddr("10.88.0.9"), netip.Addr{}
	for name, tt := range map[string]struct {
		all  []netip.Prefix
		d    diagnose.DHCP
		want netip.Prefix
	}{
		"of another network":       {[]netip.Prefix{own}, gave("10.88.0.57"), own.Masked()},
		"of ours":                  {[]netip.Prefix{own}, gave("10.77.0.57"), netip.Prefix{}},
		"of our second":            {[]netip.Prefix{own, second}, gave("10.88.0.57"), netip.Prefix{}},
		"behind a relay":           {[]netip.Prefix{own}, relayed, netip.Prefix{}},
		"an address of our own":    {[]netip.Prefix{own}, ours, netip.Prefix{}},
		"our own network is gone":  {nil, gave("10.88.0.57"), netip.Prefix{}},
		"no address has been seen": {[]netip.Prefix{own}, diagnose.DHCP{From: netip.MustParseAddr("10.88.0.2")}, netip.Prefix{}},
	} {
		if got := outside(tt.all, own.Addr(), tt.d); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
