package inventory

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestAddressesAreKept: however many strangers ask, each machine that was added
// gets an address, at its first boot and later.
func TestAddressesAreKept(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	const machines, first = 3, 100
	for n := range machines {
		if _, err := x.AddMachine(ctx, Machine{Name: fmt.Sprint("pc", n), MACs: []string{mac(first + n).String(), mac(200 + n).String()}, Image: "debian:12"}); err != nil {
			t.Fatal(err)
		}
	}
	flood := func(from int) (got int) {
		for n := range 20 {
			q := ask(from+n, "")
			l, err := x.Offer(ctx, q)
			if errors.Is(err, ErrPoolFull) {
				continue
			}
			q.Wanted = l.Addr
			if _, err := x.Commit(ctx, q); err != nil {
				t.Fatal(err)
			}
			got++
		}
		return got
	}
	if got := flood(1000); got != 9-machines {
		t.Errorf("strangers have %d addresses of 9", got)
	}
	for a := ip("10.0.0.10"); a != ip("10.0.0.20"); a = a.Next() {
		if _, err := x.Commit(ctx, ask(2000, a.String())); err == nil {
			t.Errorf("a stranger came back with %v, which is kept", a)
		}
	}
	had := map[int]netip.Addr{}
	for n := range machines {
		had[n] = x.bind(ask(first+n, "")).Addr
	}
	x.later(2 * time.Hour) // nobody's lease lasts
	if got := flood(3000); got != 9-machines {
		t.Errorf("later strangers have %d addresses", got)
	}
	for n := range machines {
		if l := x.bind(ask(first+n, "")); l.Addr != had[n] {
			t.Errorf("pc%d had %v and has %v", n, had[n], l.Addr)
		}
	}
	// A client that the config gives an address is no stranger.
	q := ask(5000, "")
	q.Pools = pools("10.0.0.30", "10.0.0.30")
	if l := x.bind(q); l.Addr != ip("10.0.0.30") {
		t.Errorf("a host of the config has %v", l.Addr)
	}
}

// TestStrangersHaveAnEighth: machines that never came do not keep all others out.
func TestStrangersHaveAnEighth(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	for n := range 12 {
		if _, err := x.AddMachine(t.Context(), Machine{Name: fmt.Sprint("pc", n), MACs: []string{mac(n).String()}, Image: "debian:12"}); err != nil {
			t.Fatal(err)
		}
	}
	x.bind(ask(1000, ""))
	if _, err := x.Offer(t.Context(), ask(1001, "")); !errors.Is(err, ErrPoolFull) {
		t.Errorf("a second stranger among ten addresses: %v", err)
	}
}

// TestOffersLapse: a stranger that takes no offer keeps its address from others
// for seconds only, a machine for a minute.
func TestOffersLapse(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	if _, err := x.AddMachine(ctx, Machine{Name: "pc", MACs: []string{mac(0).String()}, Image: "debian:12"}); err != nil {
		t.Fatal(err)
	}
	pc := x.offer(ask(0, ""))
	for n := range 8 {
		x.offer(ask(1+n, ""))
	}
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{{time.Second, ErrPoolFull}, {hasty, nil}, {0, nil}} {
		x.later(tt.after)
		if l, err := x.Offer(ctx, ask(100+int(tt.after), "")); !errors.Is(err, tt.want) || l.Addr == pc.Addr {
			t.Errorf("after %v: %v, %v", tt.after, l.Addr, err)
		}
	}
	if l := x.offer(ask(0, "")); l.Addr != pc.Addr {
		t.Errorf("pc was offered %v, then %v", pc.Addr, l.Addr)
	}
	x.later(2 * offerTime)
	x.offer(ask(50, ""))
	if all, err := x.Leases(ctx); len(all) != 1 || err != nil || all[0].State != Offered {
		t.Errorf("after they lapsed: %v, %v", all, err)
	}
	if n := len(x.desk.lapse) + len(x.desk.seats) + len(x.desk.used); n != 3 {
		t.Errorf("%d things kept for one offer", n)
	}
}

// TestOffersAreNotOnRecord: a restart forgets them; whoever comes first with a
// REQUEST has the address.
func TestOffersAreNotOnRecord(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	l := x.offer(ask(1, ""))
	if _, err := x.Commit(ctx, ask(2, l.Addr.String())); !errors.Is(err, ErrLeaseTaken) {
		t.Errorf("an address on offer was given to another: %v", err)
	}
	if at, err := x.leaseOf(ctx, subnets("10.0.0.0/24")[0], mac(1).String()); err != nil || at.Addr != l.Addr {
		t.Errorf("on offer: %+v, %v", at, err)
	}
	x.restart()
	if _, err := x.Commit(ctx, ask(1, l.Addr.String())); err != nil {
		t.Errorf("REQUEST after a restart: %v", err)
	}
	if err := x.Decline(ctx, mac(3), x.offer(ask(3, "")).Addr); err != nil {
		t.Error(err)
	}
	x.restart()
	all, err := x.Leases(ctx)
	if err != nil || len(all) != 2 || all[0].State == all[1].State {
		t.Errorf("an offer that was declined is on record: %+v, %v", all, err)
	}
}

// TestRecordsAreBounded, also for clients that say which address they want.
func TestRecordsAreBounded(t *testing.T) {
	x := newSite(t)
	q := LeaseRequest{Subnets: subnets("10.0.0.0/8"), Pools: pools("10.0.0.0", "10.255.255.255"), TTL: time.Hour}
	ours := func(n int) LeaseRequest {
		q.MAC, q.Wanted = net.HardwareAddr{2, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, address(10<<24+uint32(n))
		return q
	}
	for n := range maxLeases {
		x.offer(ours(n))
	}
	if l, err := x.Offer(t.Context(), ours(maxLeases)); !errors.Is(err, ErrPoolFull) {
		t.Errorf("one more was offered %v: %v", l.Addr, err)
	}
	if _, err := x.Commit(t.Context(), ours(maxLeases)); !errors.Is(err, ErrPoolFull) {
		t.Errorf("one more has a lease: %v", err)
	}
	if _, err := x.Commit(t.Context(), ours(7)); err != nil {
		t.Errorf("one that was offered its address: %v", err)
	}
}

// TestFullPoolUnderAFlood: offers that went on to others are not looked through
// for each that comes.
func TestFullPoolUnderAFlood(t *testing.T) {
	x := newSite(t)
	for n := range 200 {
		_, _ = x.Offer(t.Context(), ask(n, ""))
		x.later(time.Second)
	}
	if n := len(x.desk.lapse); n > 2*9 {
		t.Errorf("%d offers are looked through of a pool of 9 addresses", n)
	}
}

func TestBitmap(t *testing.T) {
	b := bitmap{}
	for n := uint32(60); n < 200; n++ {
		b.set(n)
	}
	for _, tt := range []struct {
		at, end, want uint64
		ok            bool
	}{{0, 300, 0, true}, {60, 300, 200, true}, {60, 199, 0, false}, {130, 200, 200, true}, {70, 64, 0, false}, {1<<32 - 1, 1<<32 - 1, 1<<32 - 1, true}} {
		if n, ok := b.gap(tt.at, tt.end); ok != tt.ok || ok && n != tt.want {
			t.Errorf("gap(%d, %d) = %d, %v", tt.at, tt.end, n, ok)
		}
	}
	b.clear(100)
	if n, ok := b.gap(60, 300); n != 100 || !ok || b.has(100) || !b.has(101) {
		t.Errorf("after clear: %d, %v", n, ok)
	}
	for n := uint32(60); n < 200; n++ {
		b.clear(n)
	}
	if len(b) != 0 {
		t.Errorf("%d words of an empty set", len(b))
	}
}
