package boot

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/loaders"
)

func TestTwins(t *testing.T) {
	a, b := [16]byte{1, 15: 1}, [16]byte{2, 15: 1}
	const xids, uuids = "it has two exchanges of DHCP", "computers with the UUIDs"
	type said struct {
		after time.Duration
		xid   uint32
		uuid  [16]byte
		ipxe  bool
	}
	for _, tt := range []struct {
		name string
		said []said
		want string
	}{
		{"one that asks again", []said{{0, 1, a, false}, {4, 1, a, false}, {8, 1, a, false}}, ""},
		{"one that starts again", []said{{0, 1, a, false}, {4, 2, a, false}, {60, 3, a, false}}, ""},
		{"a ROM of one xid, and iPXE", []said{{0, 1, a, false}, {4, 2, a, true}, {30, 1, a, false}, {34, 3, a, true}}, ""},
		{"two at once", []said{{0, 1, [16]byte{}, false}, {1, 2, [16]byte{}, false}, {2, 1, [16]byte{}, false}}, xids},
		{"two of iPXE", []said{{0, 1, a, true}, {1, 2, b, true}, {2, 1, a, true}}, uuids},
		{"a xid that comes by chance", []said{{0, 1, a, false}, {1, 2, a, false}, {90, 1, a, false}}, ""},
		{"two by turns", []said{{0, 1, a, false}, {60, 2, b, false}, {120, 3, a, false}}, uuids},
		{"a dock there and back", []said{{0, 1, a, false}, {60, 2, b, false}, {600, 3, a, false}}, ""},
		{"and still", []said{{0, 1, a, false}, {1, 2, b, false}, {2, 1, a, false}, {900, 4, a, false}}, uuids},
		{"and later not", []said{{0, 1, a, false}, {1, 2, b, false}, {2, 1, a, false}, {9000, 4, a, false}}, ""},
	} {
		var all twins
		now, got := time.Now(), ""
		for _, s := range tt.said {
			c := client(mac1, loaders.BIOS, s.ipxe)
			c.Xid, c.UUID = s.xid, s.uuid
			got = all.hear(c, now.Add(s.after*time.Second))
		}
		if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestTwinsAreBounded(t *testing.T) {
	var all twins
	for i := range maxVoices + 10 {
		c := client(mac1, loaders.BIOS, false)
		c.MAC = []byte{2, 0, 0, 0, byte(i >> 8), byte(i)}
		all.hear(c, time.Now())
	}
	if len(all.voices) > maxVoices {
		t.Errorf("%d are remembered", len(all.voices))
	}
}

// TestTwinIsTold: the timeline and the diagnosis speak of the other computer.
func TestTwinIsTold(t *testing.T) {
	h := newHouse(t)
	asks := func(xid uint32, discover bool) {
		c := client(mac1, loaders.BIOS, false)
		c.Xid, c.Discover = xid, discover
		h.DHCP(t.Context(), c)
		h.Exchanged(c, "pc1", Exchange{ACK: !discover, Offer: discover, Addr: addr1, File: "undionly.kpxe"})
	}
	asks(1, true)
	asks(2, true)
	asks(1, false)
	if b := h.Recorder.Boots("pc1")[0]; kindOf(b) != diagnose.MACConflict || b.Outcome != "" {
		t.Errorf("while it goes on: %+v", b)
	}
	if b := h.stopped("pc1"); kindOf(b) != diagnose.MACConflict || !said(h, mac1, "two computers have its MAC address: it has two exchanges") {
		t.Errorf("%+v", b)
	}
}

// TestOldBootLogsIn: a login by a boot that is over comes late from the network, or,
// long after the newer one has its disk, from another computer.
func TestOldBootLogsIn(t *testing.T) {
	h := newHouse(t)
	h.discover(mac1, loaders.BIOS, true)
	old, _ := h.script(mac1, addr1)
	if _, err := h.admit(old); err != nil {
		t.Fatal(err)
	}
	h.later(time.Second)
	h.discover(mac1, loaders.BIOS, false)
	h.discover(mac1, loaders.BIOS, true)
	user, _ := h.script(mac1, addr1)
	ad, err := h.admit(user)
	if err != nil {
		t.Fatal(err)
	}
	h.LoggedIn(ad.Boot, Session{Remote: addr1, Firmware: true})
	h.later(haunting / 2)
	h.LoginRefused(initiatorOf(old), old, "authentication failed")
	if said(h, mac1, "two computers") {
		t.Errorf("of a late packet: %+v", h.Recorder.Boots("pc1")[0])
	}
	h.later(haunting / 2)
	h.LoginRefused(initiatorOf(old), old, "authentication failed")
	want := fmt.Sprintf("one still tries to log in by its boot %s, when another has had the disk by boot %s for ", old, user)
	if d := h.Recorder.Boots("pc1")[0].Diagnosis; d == nil || d.Kind != diagnose.MACConflict || !strings.HasPrefix(d.Evidence[0], want) {
		t.Errorf("%+v, want %s", d, want)
	}
}
