package cow

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
)

// bootID is the kernel's boot_id: it changes when, and only when, the machine
// has been down, and with it everything that was not synced.
type bootID [16]byte

func (b bootID) String() string { return hex.EncodeToString(b[:]) }

func (b bootID) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

func (b *bootID) UnmarshalText(p []byte) error {
	if len(p) != 2*len(b) {
		return fmt.Errorf("parse boot id %q", p)
	}
	_, err := hex.Decode(b[:], p)
	return err
}

// kernelBootID reads the running kernel's.
func kernelBootID() (b bootID, err error) {
	p, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return b, err
	}
	return b, b.UnmarshalText(bytes.ReplaceAll(bytes.TrimSpace(p), []byte("-"), nil))
}
