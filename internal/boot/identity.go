package boot

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"

	"bootes.dev/internal/inventory"
)

// seedLen is the length in bytes of the random seed that each boot is given: a
// clone without disk or history has little entropy of its own.
const seedLen = 512

// golden is the host name of a machine in update mode.
const golden = "golden"

// IdentityFor is the identity that m has while it runs from v. In update mode it
// is one that is made up and thrown away: what m's own keys are must never be in
// an image, where every machine would have them.
func IdentityFor(m inventory.Machine, v inventory.Volume) (inventory.Machine, error) {
	if v.Mode != inventory.Updating {
		return m, nil
	}
	id, err := inventory.NewIdentity(golden)
	return inventory.Machine{Name: golden, Identity: id, Created: m.Created}, err
}

// hostname is the name that m's system has while it runs from v.
func hostname(m inventory.Machine, v inventory.Volume) string {
	if v.Mode == inventory.Updating {
		return golden
	}
	return m.Name
}

// IdentityDisk returns the content of the small read-only disk that makes a
// clone this machine and no other: a tar archive from byte 0 on, which the
// golden image's initramfs unpacks before init starts.
//
//	hostname          the machine's name
//	machine-id        32 hexadecimal digits, the same for the machine's life
//	ssh/ssh_host_*    SSH host keys, likewise
//	seed              random bytes, fresh each time
func IdentityDisk(m inventory.Machine) ([]byte, error) {
	seed := make([]byte, seedLen)
	rand.Read(seed)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name string, content []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), ModTime: m.Created}); err != nil {
			return fmt.Errorf("write identity disk: %w", err)
		}
		_, err := w.Write(content)
		return err
	}
	files := map[string][]byte{
		"hostname":   []byte(m.Name + "\n"),
		"machine-id": []byte(m.Identity.MachineID + "\n"),
		"seed":       seed,
	}
	for name, key := range m.Identity.HostKeys {
		files["ssh/"+name] = []byte(key)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := add(name, files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write identity disk: %w", err)
	}
	return b.Bytes(), nil
}
