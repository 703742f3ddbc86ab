package iscsi

import (
	"slices"
	"sync"
	"testing"

	"bootes.dev/internal/iscsi/pdu"
)

// Whoever watches a unit hears of each READ until it has had enough.
func TestWatch(t *testing.T) {
	a := newAuthority(newMemory(1 << 20))
	var mu sync.Mutex
	var seen [][2]int64
	a.watch = func(offset, length int64) bool {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, [2]int64{offset, length})
		return len(seen) < 3
	}
	_, addr := serve(t, Options{Authority: a})
	i := dial(t, addr).login()
	i.read10(0, 1)
	i.command(pdu.SCSICommand{Final: true, Read: true, Expected: 512}, nil, 0x28, 0, 0, 0xff, 0, 0, 0, 0, 1) // beyond the end
	i.expect(new(pdu.SCSIResponse))
	i.command(pdu.SCSICommand{Final: true, Write: true, Expected: 512}, make([]byte, 512), writeCDB(8, 1)...)
	i.expectGood()
	for range 3 {
		i.read10(16, 8)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := [][2]int64{{0, 512}, {8192, 4096}, {8192, 4096}}; !slices.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
}
