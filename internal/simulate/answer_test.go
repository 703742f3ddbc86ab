package simulate

import (
	"net/netip"
	"testing"

	"bootes.dev/internal/dhcp"
)

// reply is a server's message with some options.
func reply(yiaddr, siaddr string, o ...option) []byte {
	b := make([]byte, bootpLen)
	b[0], b[2] = 2, 6
	if yiaddr != "" {
		copy(b[16:], netip.MustParseAddr(yiaddr).AsSlice())
	}
	if siaddr != "" {
		copy(b[20:], netip.MustParseAddr(siaddr).AsSlice())
	}
	copy(b[28:], []byte{0x52, 0x54, 0, 0, 0, 1})
	b = append(b, cookie...)
	for _, o := range append([]option{{optMessageType, []byte{byte(dhcp.Offer)}}}, o...) {
		b = append(append(b, o.code, byte(len(o.value))), o.value...)
	}
	return append(b, optEnd)
}

func opt(code byte, value string) option { return option{code, []byte(value)} }

func TestParseAnswer(t *testing.T) {
	overloaded := reply("10.0.0.5", "10.0.0.1", option{optOverload, []byte{3}})
	copy(overloaded[44:], "\x3c\x09PXEClient\xff")
	copy(overloaded[108:], "\x43\x05a.efi\xff")
	header := reply("10.0.0.5", "")
	copy(header[44:], "10.0.0.9")
	copy(header[108:], "b.0")
	for name, tt := range map[string]struct {
		b    []byte
		want string
	}{
		"plain":      {reply("10.0.0.5", "10.0.0.1", opt(optBootFile, "x.efi")), "address 10.0.0.5; boot file x.efi from 10.0.0.1"},
		"proxy":      {reply("", "10.0.0.1", opt(optVendorClass, "PXEClient"), opt(optBootFile, "x.0")), "no address: a proxy; boot file x.0 from 10.0.0.1; PXEClient"},
		"URL":        {reply("10.0.0.5", "10.0.0.1", opt(optBootFile, "http://h/x")), "address 10.0.0.5; boot file http://h/x"},
		"overloaded": {overloaded, "address 10.0.0.5; boot file a.efi from 10.0.0.1; PXEClient"},
		"header":     {header, "address 10.0.0.5; boot file b.0 from 10.0.0.9"},
		"150":        {reply("10.0.0.5", "", option{optTFTPServers, []byte{10, 0, 0, 7}}, opt(optBootFile, "c")), "address 10.0.0.5; boot file c from 10.0.0.7"},
		"disk":       {reply("10.0.0.5", "", opt(optRootPath, "iscsi:x"), opt(optMessage, "hi")), `address 10.0.0.5; no boot file; disk iscsi:x; "hi"`},
	} {
		a, err := ParseAnswer(tt.b)
		if err != nil || a.String() != tt.want {
			t.Errorf("%s: %q, %v", name, a, err)
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, 300), reply("", "")[:240]} {
		if _, err := ParseAnswer(bad); err == nil {
			t.Errorf("%d bytes are an answer", len(bad))
		}
	}
	if a, err := ParseAnswer(reply("10.0.0.5", "", option{optIPXE, []byte{176, 1, 1}})); err != nil || !a.noProxy {
		t.Errorf("no-pxedhcp: %+v, %v", a, err)
	}
}

func TestMenuItem(t *testing.T) {
	menu := Answer{Vendor: append([]byte{6, 1, 3, 9, 12, 0, 0, 5, 'L', 'o', 'c', 'a', 'l', 0x80, 1, 1, 'X'}, 255)}
	if got := menuItem(menu); string(got) != "\x80\x01\x00\x00" {
		t.Errorf("%x", got)
	}
	if c, ok := discovery(menu); !ok || c != 3 {
		t.Errorf("discovery control %d, %v", c, ok)
	}
	if got := menuItem(Answer{Vendor: []byte{9, 3, 0, 0, 9}}); got != nil {
		t.Errorf("of a cut menu: %x", got)
	}
}

// FuzzParseAnswer: anybody on the network answers.
func FuzzParseAnswer(f *testing.F) {
	f.Add(reply("10.0.0.5", "10.0.0.1", opt(optBootFile, "x"), option{optVendor, []byte{9, 3, 1, 1, 0, 255}}))
	f.Add(reply("10.0.0.5", "10.0.0.1", option{optOverload, []byte{3}}, option{optIPXE, []byte{176, 1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAnswer(b)
		if err == nil && a.String() == "" {
			t.Error("no words")
		}
		menuItem(a)
		discovery(a)
	})
}

func FuzzParseDatagram(f *testing.F) {
	f.Add(append([]byte{0x45, 0, 1, 0, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 255, 255, 255, 255, 0, 67, 0, 68, 1, 0, 0, 0}, reply("10.0.0.5", "")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := parseDatagram(b); err == nil && a.Type == 0 {
			t.Error("an answer without a type")
		}
	})
}
