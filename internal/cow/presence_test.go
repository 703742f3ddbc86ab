package cow

import (
	"math/rand/v2"
	"testing"
)

func TestPresenceAgainstModel(t *testing.T) {
	const blocks = 3*pageBlocks + 77
	m, model := newPresence(blocks), make([]state, blocks)
	rng := rand.New(rand.NewPCG(1, 2))
	var count int64
	for step := range 3000 {
		first := rng.Int64N(blocks)
		n := 1 + rng.Int64N(min(blocks-first, 1<<rng.IntN(17)))
		if step%50 == 0 { // whole pages become uniform
			first, n = 0, 2*pageBlocks
		}
		s := state(rng.IntN(3))
		count += m.set(first, n, s)
		for b := first; b < first+n; b++ {
			model[b] = s
		}
		checkRun(t, &m, model, rng.Int64N(blocks))
	}
	if got := m.here(0, blocks); got != count {
		t.Fatalf("here() = %d, sum of set's growth = %d", got, count)
	}
	for b := int64(0); b < blocks; {
		b += checkRun(t, &m, model, b)
	}
}

func checkRun(t *testing.T, m *presence, model []state, b int64) int64 {
	t.Helper()
	limit := min(int64(len(model))-b, 40_000)
	want := int64(1)
	for want < limit && model[b+want] == model[b] {
		want++
	}
	if s, n := m.run(b, limit); s != model[b] || n != want {
		t.Fatalf("run(%d, %d) = %d, %d; want %d, %d", b, limit, s, n, model[b], want)
	}
	short := min(limit, 1+b%70)
	if s, n := m.run(b, short); s != model[b] || n != min(want, short) {
		t.Fatalf("run(%d, %d) = %d, %d; want %d, %d", b, short, s, n, model[b], min(want, short))
	}
	return want
}

func TestUntouchedPresenceIsSmall(t *testing.T) {
	m := newPresence(2 << 40 / BlockSize)
	if len(m.pages)*8 > 256<<10 {
		t.Fatalf("map of an untouched 2 TiB disk takes %d bytes", len(m.pages)*8)
	}
	m.set(0, m.blocks, zero) // fstrim of the whole disk
	for i := range m.pages {
		if m.pages[i].Load() != allZero {
			t.Fatalf("page %d was materialised", i)
		}
	}
}
