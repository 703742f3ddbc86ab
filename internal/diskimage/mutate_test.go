package diskimage

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestMutated: an image with wrong bytes is refused as the image's fault, or
// is a disk, whose content nobody can vouch for. More by BOOTES_IMAGE_SEEDS.
func TestMutated(t *testing.T) {
	needQemuImg(t)
	seeds := 3
	if s := os.Getenv("BOOTES_IMAGE_SEEDS"); s != "" {
		seeds, _ = strconv.Atoi(s)
	}
	disk := holey(4<<20 + 512)
	for _, format := range []string{"qcow2", "vhd", "vhd-fixed", "vhdx", "vmdk"} {
		whole := exported(t, disk, format)
		for seed := range seeds {
			rnd := rand.New(rand.NewPCG(uint64(seed), 7))
			b := bytes.Clone(whole)
			for range 1 + rnd.IntN(8) {
				at := rnd.IntN(min(len(b), 1<<(9+rnd.IntN(14))))
				b[at] = byte(rnd.Uint32())
			}
			path := filepath.Join(t.TempDir(), fmt.Sprintf("%s-%d", format, seed))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			tooLarge := errors.New("too large")
			s, err := Open(t.Context(), path, Options{TmpDir: t.TempDir(), Room: func(size, data int64) error {
				if data > 64<<20 {
					return tooLarge
				}
				return nil
			}})
			var bad *FormatError
			switch {
			case err == nil:
				s.Close()
			case !errors.As(err, &bad) && !errors.Is(err, tooLarge):
				t.Errorf("%s, seed %d: %v", format, seed, err)
			}
			if testing.Verbose() {
				t.Log(format, seed, err)
			}
		}
	}
}
