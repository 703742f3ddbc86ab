package inventory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func ip(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

func mac(n int) net.HardwareAddr {
	return net.HardwareAddr{0x52, 0x54, 0, 1, byte(n >> 8), byte(n)}
}

// ask is a request of client n to the pool 10.0.0.10 to 10.0.0.19.
func ask(n int, wanted string) LeaseRequest {
	return LeaseRequest{
		MAC: mac(n), Interface: "eth0", Subnets: subnets("10.0.0.0/24"), Pools: pools("10.0.0.10", "10.0.0.19"), Wanted: ip(wanted),
		TTL: time.Hour, Exclude: []netip.Addr{ip("10.0.0.12")},
	}
}

func subnets(prefixes ...string) (all []netip.Prefix) {
	for _, p := range prefixes {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// pools are given as the first and last address of each.
func pools(ends ...string) (all []Pool) {
	for ; len(ends) > 0; ends = ends[2:] {
		all = append(all, Pool{ip(ends[0]), ip(ends[1])})
	}
	return all
}

func (x *site) offer(q LeaseRequest) Lease {
	x.t.Helper()
	l, err := x.Offer(x.t.Context(), q)
	if err != nil {
		x.t.Fatal(err)
	}
	return l
}

// bind goes from DISCOVER to ACK.
func (x *site) bind(q LeaseRequest) Lease {
	x.t.Helper()
	q.Wanted = x.offer(q).Addr
	l, err := x.Commit(x.t.Context(), q)
	if err != nil {
		x.t.Fatal(err)
	}
	return l
}

func TestLeaseStaysWithItsClient(t *testing.T) {
	x := newSite(t)
	first := x.bind(ask(1, ""))
	if first.State != Bound || !first.Expires.Equal(x.now.Add(time.Hour)) {
		t.Errorf("%+v", first)
	}
	// ROM, iPXE, initramfs and OS ask one after the other.
	for range 3 {
		if again := x.offer(ask(1, "10.0.0.15")); again != first {
			t.Errorf("offered %+v, had %+v", again, first)
		}
	}
	x.restart()
	if l, err := x.leaseOf(t.Context(), subnets("10.0.0.0/24")[0], mac(1).String()); err != nil || l.Addr != first.Addr {
		t.Errorf("after a restart: %+v, %v", l, err)
	}
	x.later(48 * time.Hour)
	if _, err := x.leaseOf(t.Context(), subnets("10.0.0.0/24")[0], mac(1).String()); err == nil {
		t.Error("an expired lease is held")
	}
	if again := x.offer(ask(1, "")); again.Addr != first.Addr || again.State != Offered {
		t.Errorf("after expiry: %+v", again)
	}
}

func TestCountLeases(t *testing.T) {
	x := newSite(t)
	x.bind(ask(1, "")) // expires
	x.later(2 * time.Hour)
	x.bind(ask(2, ""))
	x.bind(ask(3, ""))
	x.offer(ask(4, ""))
	n, err := x.CountLeases(t.Context(), [][]Pool{pools("10.0.0.10", "10.0.0.19"), pools("10.0.1.10", "10.0.1.19")})
	if err != nil || fmt.Sprint(n) != "[2 0]" {
		t.Errorf("%v, %v", n, err)
	}
}

func TestOfferOrder(t *testing.T) {
	x := newSite(t)
	if l := x.bind(ask(1, "10.0.0.15")); l.Addr != ip("10.0.0.15") {
		t.Errorf("wanted .15, got %v", l.Addr)
	}
	if l := x.offer(ask(2, "10.0.0.15")); l.Addr == ip("10.0.0.15") {
		t.Error("a bound address was offered")
	}
	for _, wanted := range []string{"10.0.0.12", "10.0.0.9", "10.0.0.20", "192.168.1.1", "fe80::1"} {
		l := x.offer(ask(3, wanted))
		if q := ask(3, ""); !q.inPool(l.Addr) || q.excluded(l.Addr) {
			t.Errorf("wanted %s, got %v", wanted, l.Addr)
		}
	}
}

func TestPoolFullThenOldest(t *testing.T) {
	x := newSite(t)
	got := map[netip.Addr]bool{}
	for n := range 9 { // ten addresses, one excluded
		got[x.bind(ask(n, "")).Addr] = true
		x.later(time.Minute)
	}
	if len(got) != 9 || got[ip("10.0.0.12")] {
		t.Fatalf("leased %v", got)
	}
	if _, err := x.Offer(t.Context(), ask(20, "")); !errors.Is(err, ErrPoolFull) {
		t.Fatalf("tenth: %v", err)
	}
	x.later(time.Hour - 7*time.Minute) // clients 0 and 1 have expired, in this order
	zero, _ := x.Leases(t.Context())
	var want netip.Addr
	for _, l := range zero {
		if l.MAC == mac(0).String() {
			want = l.Addr
		}
	}
	if l := x.offer(ask(20, "")); l.Addr != want {
		t.Errorf("got %v, the oldest is %v", l.Addr, want)
	}
	// Client 0 comes back and gets what is left, not what it had.
	if l := x.offer(ask(0, "")); l.Addr == want {
		t.Error("two owners")
	}
}

func TestCommitErrors(t *testing.T) {
	x := newSite(t)
	x.bind(ask(1, "10.0.0.15"))
	for _, tt := range []struct {
		wanted string
		want   error
	}{
		{"10.0.0.15", ErrLeaseTaken}, {"10.0.0.12", ErrOutOfPool}, {"10.0.0.99", ErrOutOfPool}, {"", ErrOutOfPool}, {"::1", ErrOutOfPool},
		{"10.0.0.16", nil}, // rebooting with an address that we have no record of
	} {
		if _, err := x.Commit(t.Context(), ask(2, tt.wanted)); !errors.Is(err, tt.want) {
			t.Errorf("%q: %v, want %v", tt.wanted, err, tt.want)
		}
	}
	// Having moved, a client leaves nothing behind.
	if _, err := x.Commit(t.Context(), ask(2, "10.0.0.17")); err != nil {
		t.Fatal(err)
	}
	if l, err := x.Commit(t.Context(), ask(3, "10.0.0.16")); err != nil {
		t.Errorf("%+v, %v", l, err)
	}
}

func TestLeaseAt(t *testing.T) {
	x := newSite(t)
	l := x.bind(ask(1, "10.0.0.15"))
	if at, err := x.LeaseAt(t.Context(), l.Addr); err != nil || at.MAC != l.MAC {
		t.Errorf("%+v, %v", at, err)
	}
	x.offer(ask(2, "10.0.0.16"))
	x.later(2 * time.Hour)
	for _, a := range []string{"10.0.0.15", "10.0.0.16"} { // ended, offered
		_, err := x.LeaseAt(t.Context(), ip(a))
		wantErr[*NotFoundError](t, err, `no lease of "`+a+`"`)
	}
}

func TestReleaseAndDecline(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	l := x.bind(ask(1, "10.0.0.15"))
	if err := x.Release(ctx, mac(2), l.Addr); err != nil {
		t.Error(err)
	}
	if _, err := x.Commit(ctx, ask(2, "10.0.0.15")); !errors.Is(err, ErrLeaseTaken) {
		t.Errorf("a stranger released it: %v", err)
	}
	if err := x.Release(ctx, mac(1), l.Addr); err != nil {
		t.Error(err)
	}
	if again := x.offer(ask(1, "")); again.Addr != l.Addr {
		t.Errorf("after release %v", again.Addr)
	}
	if err := x.Decline(ctx, mac(1), l.Addr); err != nil {
		t.Error(err)
	}
	if again := x.bind(ask(1, "10.0.0.15")); again.Addr == l.Addr {
		t.Error("declined, and offered again")
	}
	if _, err := x.Commit(ctx, ask(2, "10.0.0.15")); !errors.Is(err, ErrLeaseTaken) {
		t.Errorf("declined, and given to another: %v", err)
	}
	x.later(2 * time.Hour)
	if _, err := x.Commit(ctx, ask(2, "10.0.0.15")); err != nil {
		t.Errorf("declined for ever: %v", err)
	}
	if err := x.Release(ctx, mac(1), ip("10.9.9.9")); err != nil {
		t.Error(err)
	}
}

func TestReservation(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	reserve := func(name string, n int, addr string) error {
		_, err := x.AddMachine(ctx, Machine{Name: name, MACs: []string{mac(n).String()}, Image: "debian:12", Address: ip(addr)})
		return err
	}
	old := x.bind(ask(1, "10.0.0.11")) // before it was enrolled
	if err := reserve("pc1", 1, "10.0.0.200"); err != nil {
		t.Fatal(err)
	}
	if err := reserve("pc2", 2, "10.0.0.15"); err != nil {
		t.Fatal(err)
	}
	wantErr[*ExistsError](t, reserve("pc3", 3, "10.0.0.15"),
		`address "10.0.0.15" belongs to machine pc2 already: take it from that machine first, or look whether it was mistyped`)
	wantErr[*InvalidError](t, reserve("pc3", 3, "224.0.0.1"), `address "224.0.0.1" is not valid: it must be an IPv4 address of one host`)

	// An offer, which a stranger may have asked for, does not end the old lease.
	if l := x.offer(ask(1, "")); l.Addr != ip("10.0.0.200") {
		t.Errorf("pc1 is offered %v", l.Addr)
	}
	if _, err := x.Commit(ctx, ask(9, "10.0.0.11")); !errors.Is(err, ErrLeaseTaken) {
		t.Errorf("the address that pc1 runs on: %v", err)
	}
	if l := x.bind(ask(1, "")); l.Addr != ip("10.0.0.200") {
		t.Errorf("pc1 has %v", l.Addr)
	}
	if _, err := x.Commit(ctx, ask(9, old.Addr.String())); err != nil {
		t.Errorf("the address that pc1 has left: %v", err)
	}

	// Nobody else gets an address that is reserved, in whatever way.
	if l := x.offer(ask(5, "10.0.0.15")); l.Addr == ip("10.0.0.15") {
		t.Error("offered pc2's address to another")
	}
	if _, err := x.Commit(ctx, ask(5, "10.0.0.15")); !errors.Is(err, ErrLeaseTaken) {
		t.Errorf("pc2's address: %v", err)
	}
	if l := x.bind(ask(2, "")); l.Addr != ip("10.0.0.15") {
		t.Errorf("pc2 has %v", l.Addr)
	}
	if err := x.RemoveMachine(ctx, "pc2"); err != nil {
		t.Fatal(err)
	}
	if err := reserve("pc3", 3, "10.0.0.15"); err != nil {
		t.Errorf("after pc2 is gone: %v", err)
	}
	// pc3 waits until the lease of the former pc2 ends.
	if l := x.bind(ask(3, "")); l.Addr == ip("10.0.0.15") {
		t.Error("two owners")
	}
	x.later(2 * time.Hour)
	if l := x.bind(ask(3, "")); l.Addr != ip("10.0.0.15") {
		t.Errorf("pc3 has %v", l.Addr)
	}

	// On another network it has another address, and its own only where that belongs.
	away := ask(3, "10.0.0.15")
	away.Subnets, away.Pools = subnets("10.1.0.0/24", "10.2.0.0/24"), pools("10.1.0.10", "10.1.0.11")
	if l := x.offer(away); !away.inPool(l.Addr) {
		t.Errorf("away it has %v", l.Addr)
	}
	if _, err := x.Commit(ctx, away); !errors.Is(err, ErrOutOfPool) {
		t.Errorf("its own address, away: %v", err)
	}
	away.Subnets = subnets("10.1.0.0/24", "10.0.0.0/24")
	if l := x.offer(away); l.Addr != ip("10.0.0.15") {
		t.Errorf("on a wire with two subnets: %v", l.Addr)
	}
}

// TestNewLease: a client may have had its address before it was offered.
func TestNewLease(t *testing.T) {
	x := newSite(t)
	for range 2 {
		if l := x.offer(ask(1, "10.0.0.15")); !l.New {
			t.Errorf("%+v", l)
		}
	}
	x.bind(ask(1, "10.0.0.15"))
	if l := x.offer(ask(1, "")); l.New {
		t.Errorf("bound: %+v", l)
	}
	x.later(2 * time.Hour)
	if l := x.offer(ask(1, "")); l.New {
		t.Errorf("expired: %+v", l)
	}
	x.later(2 * time.Hour)
	if l := x.bind(ask(2, "10.0.0.15")); l.Addr == ip("10.0.0.15") {
		t.Error("an address with a record was given though others are free")
	}
	one := ask(2, "")
	one.Pools = pools("10.0.0.15", "10.0.0.15")
	if l := x.offer(one); l.Addr != ip("10.0.0.15") || !l.New {
		t.Errorf("another's old address: %+v", l)
	}
}

// TestLinksDoNotMix: a client on two networks has two addresses, and
// giving one up does not touch the other.
func TestLinksDoNotMix(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	a := x.bind(ask(1, "10.0.0.15"))
	other := ask(1, "")
	other.Subnets, other.Pools = subnets("10.1.0.0/24"), pools("10.1.0.10", "10.1.0.19")
	b := x.bind(other)
	if a.Addr == b.Addr || !other.inPool(b.Addr) {
		t.Errorf("%v and %v", a.Addr, b.Addr)
	}
	// Overlapping pools are a fault of the configuration; still one owner.
	other.Subnets, other.Pools, other.Wanted = subnets("10.0.0.0/16"), pools("10.0.0.10", "10.0.0.19"), a.Addr
	if _, err := x.Commit(ctx, other); err != nil {
		t.Fatal(err)
	}
	x.bind(ask(1, ""))
	if _, err := x.Commit(ctx, ask(2, a.Addr.String())); !errors.Is(err, ErrLeaseTaken) {
		t.Errorf("got %v", err)
	}
}

// TestNetworkWrittenAnew: whoever widens a network, or writes another before it,
// takes nobody's address.
func TestNetworkWrittenAnew(t *testing.T) {
	x := newSite(t)
	for n := range 9 {
		x.bind(ask(n, ""))
	}
	x.restart()
	had := x.desk
	for n := range 9 {
		q := ask(n, "")
		q.Subnets = subnets("10.0.0.0/16")
		before := x.offer(ask(n, "")).Addr
		if l := x.offer(q); l.Addr != before || l.New {
			t.Errorf("client %d had %v and is offered %+v", n, before, l)
		}
		q.Wanted = before
		if _, err := x.Commit(t.Context(), q); err != nil {
			t.Error(err)
		}
	}
	if len(had.leases) != 9 || len(had.seats) != 9 || len(had.offers) != 0 {
		t.Errorf("on the desk: %d leases, %d seats, %d offers", len(had.leases), len(had.seats), len(had.offers))
	}
}

// TestNeverTwoOwners: more clients than addresses ask at once, from the same
// pool, and each address acknowledged has one owner.
func TestNeverTwoOwners(t *testing.T) {
	x := newSite(t)
	const clients, pool = 60, 40
	q := func(n int) LeaseRequest {
		return LeaseRequest{MAC: mac(n), Subnets: subnets("10.0.0.0/24"), Pools: []Pool{{ip("10.0.0.1"), address(number(ip("10.0.0.0")) + pool)}}, TTL: time.Hour}
	}
	var mu sync.Mutex
	owner := map[netip.Addr]int{}
	full := 0
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			r := q(n)
			l, err := x.Offer(t.Context(), r)
			if err == nil {
				r.Wanted = l.Addr
				l, err = x.Commit(t.Context(), r)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, ErrPoolFull):
				full++
			case err != nil:
				t.Errorf("client %d: %v", n, err)
			default:
				if o, taken := owner[l.Addr]; taken {
					t.Errorf("%v belongs to %d and %d", l.Addr, o, n)
				}
				owner[l.Addr] = n
			}
		})
	}
	wg.Wait()
	if len(owner) != pool || full != clients-pool {
		t.Errorf("%d leased, %d refused", len(owner), full)
	}
	x.restart()
	leases, err := x.Leases(t.Context())
	if err != nil || len(leases) != pool {
		t.Fatalf("%d leases after a restart, %v", len(leases), err)
	}
	for _, l := range leases {
		if fmt.Sprint(mac(owner[l.Addr])) != l.MAC {
			t.Errorf("%v: %s, was client %d", l.Addr, l.MAC, owner[l.Addr])
		}
	}
}

// TestBigPool: the search for a gap goes on beyond one reading, and wraps.
func TestBigPool(t *testing.T) {
	x := newSite(t)
	q := func(n int) LeaseRequest {
		return LeaseRequest{MAC: mac(n), Subnets: subnets("10.0.0.0/16"), Pools: pools("10.0.0.0", "10.0.0.250", "10.0.0.251", "10.0.1.43"), TTL: time.Hour}
	}
	for n := range 300 {
		x.bind(q(n))
	}
	if _, err := x.Offer(t.Context(), q(300)); !errors.Is(err, ErrPoolFull) {
		t.Errorf("beyond 300: %v", err)
	}
	start := time.Now()
	x.later(2 * time.Hour)
	x.offer(q(300))
	t.Logf("oldest of 300 in %v", time.Since(start))
}

func TestPoolAtTheEndOfAllAddresses(t *testing.T) {
	x := newSite(t)
	q := LeaseRequest{MAC: mac(1), Subnets: subnets("255.255.255.0/24"), Pools: pools("255.255.255.254", "255.255.255.255"), TTL: time.Hour}
	x.bind(q)
	q.MAC = mac(2)
	x.bind(q)
	q.MAC = mac(3)
	if _, err := x.Offer(t.Context(), q); !errors.Is(err, ErrPoolFull) {
		t.Errorf("got %v", err)
	}
	q.Pools = nil
	if _, err := x.Offer(t.Context(), q); !errors.Is(err, ErrPoolFull) {
		t.Errorf("without a pool: %v", err)
	}
}

// leaseOf is the lease or the offer that a client has now on a link, which the
// first of its subnets names. *NotFoundError when there is none.
func (in *Inventory) leaseOf(ctx context.Context, network netip.Prefix, mac string) (Lease, error) {
	all, err := in.Leases(ctx)
	if err != nil {
		return Lease{}, err
	}
	for _, l := range all {
		if l.seat() == (seat{network, mac}) && !l.expired(in.now()) {
			return l, nil
		}
	}
	return Lease{}, &NotFoundError{Kind: "lease of", Name: mac}
}

// TestLeaseWithoutRoom: what the disk has refused and what it has are the same again
// after the next lease.
func TestLeaseWithoutRoom(t *testing.T) {
	x := newSite(t)
	x.offer(ask(1, "10.0.0.15"))
	journal := x.dir + "/s/journal"
	if err := os.WriteFile(journal, nil, 0o600); err != nil { // in the way
		t.Fatal(err)
	}
	if l, err := x.Commit(t.Context(), ask(1, "10.0.0.15")); err == nil || !strings.HasPrefix(err.Error(), "make the next file of the store's journal: ") {
		t.Errorf("%+v, %v", l, err)
	}
	if err := os.Remove(journal); err != nil {
		t.Fatal(err)
	}
	x.bind(ask(2, ""))
	before, err := x.Leases(t.Context())
	if err != nil || len(before) != 2 {
		t.Errorf("%+v, %v", before, err)
	}
	x.restart()
	if after, err := x.Leases(t.Context()); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("%+v, %v\nbefore the restart %+v", after, err, before)
	}
	if l := x.bind(ask(1, "")); l.Addr != ip("10.0.0.15") {
		t.Errorf("%+v", l)
	}
}

func TestLookHoldsNothing(t *testing.T) {
	x := newSite(t)
	q := ask(1, "")
	q.Look = true
	first := x.offer(q)
	if other := x.offer(ask(2, first.Addr.String())); other.Addr != first.Addr {
		t.Errorf("it is held: another client is offered %v instead of %v", other.Addr, first.Addr)
	}
	if all, err := x.Leases(t.Context()); err != nil || len(all) != 1 || all[0].MAC != mac(2).String() {
		t.Errorf("%+v, %v", all, err)
	}
}
