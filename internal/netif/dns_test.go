package netif

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer answers each question by what answer makes of it; nil: not at all.
func dnsServer(t *testing.T, answer func(dnsmessage.Message) []dnsmessage.Message) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { c.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			for _, a := range answer(m) {
				if b, err := a.Pack(); err == nil {
					c.WriteToUDPAddrPort(b, from)
				}
			}
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestLookup(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.9")
	says := func(m dnsmessage.Message, code dnsmessage.RCode, records ...dnsmessage.ResourceBody) dnsmessage.Message {
		m.Response, m.RCode = true, code
		for _, r := range records {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}, Body: r})
		}
		return m
	}
	for name, tt := range map[string]struct {
		answer func(dnsmessage.Message) []dnsmessage.Message
		want   netip.Addr
		silent bool
	}{
		"an address": {func(m dnsmessage.Message) []dnsmessage.Message {
			return []dnsmessage.Message{says(m, dnsmessage.RCodeSuccess, &dnsmessage.AResource{A: a.As4()})}
		}, a, false},
		"another name first": {func(m dnsmessage.Message) []dnsmessage.Message {
			alias := dnsmessage.MustNewName("store.example.")
			return []dnsmessage.Message{says(m, dnsmessage.RCodeSuccess, &dnsmessage.CNAMEResource{CNAME: alias}, &dnsmessage.AResource{A: a.As4()})}
		}, a, false},
		"no such name": {func(m dnsmessage.Message) []dnsmessage.Message {
			return []dnsmessage.Message{says(m, dnsmessage.RCodeNameError)}
		}, netip.Addr{}, false},
		"to somebody else first": {func(m dnsmessage.Message) []dnsmessage.Message {
			other := says(m, dnsmessage.RCodeSuccess, &dnsmessage.AResource{A: [4]byte{1, 2, 3, 4}})
			other.ID++
			return []dnsmessage.Message{other, says(m, dnsmessage.RCodeSuccess, &dnsmessage.AResource{A: a.As4()})}
		}, a, false},
		"nothing": {func(dnsmessage.Message) []dnsmessage.Message { return nil }, netip.Addr{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := askDNS(t.Context(), dnsServer(t, tt.answer), "nas.lab.example")
			if got != tt.want || (err != nil) != tt.silent {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		if _, err := askDNS(t.Context(), netip.MustParseAddrPort("127.0.0.1:9"), "nas"); err == nil {
			t.Error("no error")
		}
	})
}

func FuzzDNSAnswer(f *testing.F) {
	f.Add([]byte{0, 7, 0x81, 0x80, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, ok := addressIn(b, 7); !ok && a.IsValid() {
			t.Error(a)
		}
	})
}
