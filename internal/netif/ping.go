package netif

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// pings is how often Ping asks, and pingTime how long it waits each time.
const (
	pings    = 2
	pingTime = 500 * time.Millisecond
)

// Ping reports whether an IPv4 address answers an ICMP echo request (RFC 792). It
// wants CAP_NET_RAW, and takes a second if there is no answer.
func Ping(ctx context.Context, a netip.Addr) (bool, error) {
	c, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return false, fmt.Errorf("ping %s: %w", a, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	id := int(rand.Uint32N(1 << 16))
	for seq := range pings {
		ask, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: seq}}).Marshal(nil)
		if err != nil {
			return false, fmt.Errorf("ping %s: %w", a, err)
		}
		c.SetReadDeadline(time.Now().Add(pingTime))
		if _, err := c.WriteTo(ask, &net.IPAddr{IP: a.AsSlice()}); err != nil {
			return false, fmt.Errorf("ping %s: %w", a, err)
		}
		if answered(c, a, id) {
			return true, nil
		}
		if ctx.Err() != nil {
			return false, fmt.Errorf("ping %s: %w", a, ctx.Err())
		}
	}
	return false, nil
}

// answered reads until a's answer comes, or the deadline.
func answered(c *icmp.PacketConn, a netip.Addr, id int) bool {
	const protoICMP = 1
	b := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return false
		}
		m, err := icmp.ParseMessage(protoICMP, b[:n])
		if err != nil || m.Type != ipv4.ICMPTypeEchoReply {
			continue
		}
		echo, ok := m.Body.(*icmp.Echo)
		ip, isIP := from.(*net.IPAddr)
		if !ok || !isIP || echo.ID != id {
			continue
		}
		if got, _ := netip.AddrFromSlice(ip.IP); got.Unmap() == a {
			return true
		}
	}
}
