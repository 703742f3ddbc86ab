package iscsi

import (
	"context"
	"sync"

	"bootes.dev/internal/block"
	"bootes.dev/internal/scsi"
)

const (
	testTarget    = "iqn.2026-01.dev.bootes:pc1"
	testInitiator = "iqn.2026-01.dev.bootes:init:pc1"
	testUser      = "pc1"
	testSecret    = "abcdefghijklmnop"
)

// authority knows one target, whose disk is dev, and accounts by name. The
// owner of a session is its user, so two users are two boots.
type authority struct {
	dev      block.Device
	accounts map[string]string
	watch    func(offset, length int64) bool

	mu      sync.Mutex
	opened  []string
	closed  []string
	refused []string
	onOpen  func(owner string)
}

func newAuthority(dev block.Device) *authority {
	return &authority{dev: dev, accounts: map[string]string{testUser: testSecret, "pc1-next": "another secret 1"}}
}

func (a *authority) Account(_ context.Context, _ Login, user string) (string, bool) {
	secret, ok := a.accounts[user]
	return secret, ok
}

func (a *authority) Admit(_ context.Context, req Login, user string) (*Grant, error) {
	if req.Target != testTarget {
		return nil, refuse(StatusNotFound, "no target %q", req.Target)
	}
	return &Grant{Owner: user, Open: func(context.Context) (Units, error) { return a.open(user), nil }}, nil
}

func (a *authority) open(owner string) Units {
	if a.onOpen != nil {
		a.onOpen(owner)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened = append(a.opened, owner)
	id := scsi.Identity{Vendor: "BOOTES", Product: "DISK", Revision: "1", Serial: "0001", UUID: [16]byte{1, 2, 3, 15: 4}}
	closed := func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.closed = append(a.closed, owner)
	}
	return Units{
		0: {Name: "disk", Disk: scsi.NewDisk(a.dev, id), Watch: a.watch, Close: closed},
		1: {Disk: scsi.NewDisk(scsi.ReadOnlyBytes([]byte("identity")), scsi.Identity{Vendor: "BOOTES", Product: "IDENTITY", ReadOnly: true})},
	}
}

func (a *authority) Visible(_ context.Context, _ Login, user string) []string {
	return []string{testTarget}
}

func (a *authority) Refused(_ Login, _, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = append(a.refused, reason)
}

func (a *authority) lists() (opened, closed, refused []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.opened...), append([]string(nil), a.closed...), append([]string(nil), a.refused...)
}
