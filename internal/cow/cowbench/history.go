package cowbench

import "math/rand/v2"

// extent is what one layer of a chain changes in one place, in bytes.
type extent struct{ off, n int64 }

// change writes extents, a MiB at a time.
func change(d disk, all []extent) error {
	p := pattern(1 << 20)
	for _, x := range all {
		for end := x.off + x.n; x.off < end; x.off += int64(len(p)) {
			if _, err := d.WriteAt(p[:min(int64(len(p)), end-x.off)], x.off); err != nil {
				return err
			}
		}
	}
	return nil
}

// strewn is the worst that a layer can be: 8 KiB in each MiB. Each layer has its
// own turn of the same places.
func strewn(size int64) func(layer int) []extent {
	const n = 2 * blockSize
	return func(layer int) (all []extent) {
		for _, x := range scattered(size/2, int(size>>20)) {
			all = append(all, extent{(x + int64(layer)*37) % (size / n) * n, n})
		}
		return all
	}
}

// upgrade is what an upgrade of 29 packages has changed in a Debian image: so
// many runs of so many blocks. docs/BENCHMARKS.md says how that was measured.
var upgrade = []struct{ runs, blocks int64 }{
	{277, 1}, {38, 2}, {15, 3}, {3, 5}, {3, 10}, {70, 23}, {27, 46}, {16, 92}, {20, 190},
	{15, 430}, {6, 906}, {4, 1518}, {2, 2722}, {1, 8192}, {1, 10184},
}

// asUpgrades are layers that an upgrade has made each, its runs anywhere.
func asUpgrades(size int64) func(layer int) []extent {
	blocks := size / blockSize
	return func(layer int) (all []extent) {
		rng := rand.New(rand.NewPCG(3, uint64(layer)))
		for _, u := range upgrade {
			n := min(u.blocks, blocks/16)
			for range u.runs {
				all = append(all, extent{rng.Int64N(blocks-n+1) * blockSize, n * blockSize})
			}
		}
		return all
	}
}
