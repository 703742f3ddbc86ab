package room

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// First and longest wait for an answer, as iPXE has them.
const (
	firstWait = time.Second
	lastWait  = 10 * time.Second
)

// boot takes machine n from its DISCOVER to its script.
func (c *card) boot(ctx context.Context, n int) (b boot) {
	hw := mac(n)
	a, err := c.lease(ctx, hw)
	if err != nil {
		return boot{err: err}
	}
	b.leased = time.Now()
	if err := c.settle(hw, a.addr); err != nil {
		return boot{err: err}
	}
	text, err := script(ctx, a)
	if err == nil && !strings.HasPrefix(text, "#!ipxe") {
		err = fmt.Errorf("not a script: %.60q", text)
	}
	b.scripted, b.err = time.Now(), err
	return b
}

// lease gets an address. A machine that is not answered asks again, and later and
// later; one that is refused begins anew.
func (c *card) lease(ctx context.Context, hw net.HardwareAddr) (answer, error) {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		a, err := c.exchange(ctx, hw, wait)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return a, err
		}
	}
}

var errSilent = errors.New("no answer from the DHCP server")

// exchange is one DISCOVER and, if that is answered, one REQUEST.
func (c *card) exchange(ctx context.Context, hw net.HardwareAddr, wait time.Duration) (answer, error) {
	xid := rand.Uint32()
	answers, done := c.expect(xid)
	defer done()
	o, err := c.ask(ctx, answers, udp(hw, append(ipxe(message(xid, hw, netip.Addr{}, discover), hw), optEnd)), wait, offer)
	if err != nil {
		return o, err
	}
	b := ipxe(message(xid, hw, netip.Addr{}, request), hw)
	b = option(option(b, optRequested, o.addr.AsSlice()), optServerID, o.server.AsSlice())
	a, err := c.ask(ctx, answers, udp(hw, append(b, optEnd)), wait, ack)
	if err == nil && a.file == "" {
		err = errors.New("a lease without a boot file")
	}
	return a, err
}

func (c *card) ask(ctx context.Context, answers <-chan answer, frame []byte, wait time.Duration, want byte) (answer, error) {
	if err := c.write(frame); err != nil {
		return answer{}, err
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		select {
		case a := <-answers:
			if a.kind == nak {
				return a, errors.New("refused by the DHCP server")
			}
			if a.kind == want {
				return a, nil
			}
		case <-late.C:
			return answer{}, errSilent
		case <-ctx.Done():
			return answer{}, errSilent
		}
	}
}

// script fetches what the lease names.
func script(ctx context.Context, a answer) (string, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.addr, 0))}).DialContext,
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.file, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", errors.New("the script could not be fetched: " + reason(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New("the script was refused: " + resp.Status)
	}
	return string(text), err
}

// reason is an error without the addresses that differ from machine to machine.
func reason(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}
