package netif

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsTries is how often a DNS server is asked, and dnsTime how long it is waited for
// each time. One that has to ask others may take a second.
const (
	dnsTries = 2
	dnsTime  = 1500 * time.Millisecond
	dnsPort  = 53
)

// Lookup asks one DNS server (RFC 1035) by UDP for the IPv4 address of a name. It is
// zero where that has none. The error is a server's that did not answer.
func Lookup(ctx context.Context, server netip.Addr, name string) (netip.Addr, error) {
	a, err := askDNS(ctx, netip.AddrPortFrom(server, dnsPort), name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("ask the DNS server %s: %w", server, err)
	}
	return a, nil
}

func askDNS(ctx context.Context, server netip.AddrPort, name string) (netip.Addr, error) {
	question, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return netip.Addr{}, nil // nobody has such a name
	}
	id := uint16(rand.Uint32())
	ask := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: question, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	b, err := ask.Pack()
	if err != nil {
		return netip.Addr{}, nil
	}
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for range dnsTries {
		if a, ok := answerOf(ctx, c, b, id, &err); ok {
			return a, nil
		}
	}
	return netip.Addr{}, err
}

// answerOf sends a question once and waits for its answer; others' are passed over.
func answerOf(ctx context.Context, c *net.UDPConn, question []byte, id uint16, why *error) (netip.Addr, bool) {
	if ctx.Err() == nil {
		c.SetReadDeadline(time.Now().Add(dnsTime))
	}
	if _, *why = c.Write(question); *why != nil {
		return netip.Addr{}, false
	}
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			*why = err
			return netip.Addr{}, false
		}
		if a, ok := addressIn(buf[:n], id); ok {
			return a, true
		}
	}
}

// addressIn is the first IPv4 address of an answer, zero if it has none.
func addressIn(b []byte, id uint16) (netip.Addr, bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != id || !h.Response || p.SkipAllQuestions() != nil {
		return netip.Addr{}, false
	}
	for {
		h, err := p.AnswerHeader()
		if err != nil {
			return netip.Addr{}, true
		}
		if h.Type == dnsmessage.TypeA {
			r, err := p.AResource()
			if err != nil {
				return netip.Addr{}, true
			}
			return netip.AddrFrom4(r.A), true
		}
		if p.SkipAnswer() != nil {
			return netip.Addr{}, true
		}
	}
}
