package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// netnsDir is where ip-netns(8) looks for namespaces by name.
const netnsDir = "/run/netns"

var (
	nameCount atomic.Int32
	labName   = regexp.MustCompile(`^bootes-([0-9]+)-[0-9]+$`)
)

// newName is a name that no other process uses while this one lives.
func newName() string {
	return fmt.Sprintf("bootes-%d-%d", os.Getpid(), nameCount.Add(1))
}

// nameNamespace makes the namespace known to `ip netns exec NAME`, which is how a
// person looks into a running lab.
func nameNamespace(name, ns string) error {
	if err := shareNames(); err != nil {
		return fmt.Errorf("make folder for namespace names: %w", err)
	}
	path := filepath.Join(netnsDir, name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("name namespace %q: %w", name, err)
	}
	f.Close()
	if err := unix.Mount(ns, path, "none", unix.MS_BIND, ""); err != nil {
		os.Remove(path)
		return fmt.Errorf("name namespace %q: %w", name, err)
	}
	return nil
}

// shareNames makes netnsDir what `ip netns add` makes of it, a shared mount. If
// that came later, it would cover the names mounted before, and they could neither
// be unmounted nor removed.
func shareNames() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	err := unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) { // no mount yet
		return err
	}
	if err := unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "")
}

func unnameNamespace(name string) error {
	path := filepath.Join(netnsDir, name)
	err := unix.Unmount(path, unix.MNT_DETACH)
	// EINVAL: the name is there but nothing is mounted on it.
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount namespace %q: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove namespace %q: %w", name, err)
	}
	return nil
}

// sweepNames removes the names that labs left whose process was killed. Their
// programs died with them.
func sweepNames() {
	entries, err := os.ReadDir(netnsDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		m := labName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		pid, err := strconv.Atoi(m[1])
		if err != nil || unix.Kill(pid, 0) != unix.ESRCH {
			continue
		}
		_ = unnameNamespace(e.Name())
	}
}
