package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// needed are the capabilities that `bootes serve` works with (capabilities(7));
// dist/bootes.service gives exactly these.
var needed = []struct {
	bit       uint
	name, why string
}{
	{unix.CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", "ports below 1024: DHCP, TFTP, HTTP"},
	{unix.CAP_NET_RAW, "CAP_NET_RAW", "Ethernet frames to and from machines that have no address yet"},
}

// checkPrivileges refuses to begin without a right that would be missed later.
func checkPrivileges() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // 32 capabilities each
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("look at this process's capabilities: %w", err)
	}
	return lacking(data[0].Effective)
}

// lacking is the error for a set of capabilities without all that are needed.
func lacking(effective uint32) error {
	var missing []string
	for _, c := range needed {
		if effective&(1<<c.bit) == 0 {
			missing = append(missing, fmt.Sprintf("%s (%s)", c.name, c.why))
		}
	}
	if missing == nil {
		return nil
	}
	return withCode(exitMissing, fmt.Errorf("bootes serve lacks %s: start it by its unit, which gives them (systemctl start bootes), or run it with sudo",
		strings.Join(missing, " and ")))
}

// checkOwner refuses a data folder of another user. Root could write to one,
// and would leave files there that its owner's next server cannot open. So it
// looks at a file in it, too: the folder alone may have been given to this user.
func checkOwner(dir string) error {
	for _, path := range []string{dir, filepath.Join(dir, "lock")} {
		if err := checkOwnerOf(path, dir); err != nil {
			return err
		}
	}
	return nil
}

func checkOwnerOf(path, dir string) error {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at data folder: %w", err)
	}
	owner, me := int(st.Sys().(*syscall.Stat_t).Uid), os.Geteuid()
	if owner == me {
		return nil
	}
	what := "data folder"
	if path != dir {
		what = "file"
	}
	return withCode(exitRefused, fmt.Errorf("%s %q belongs to user %s, and this server runs as %s: run it as %s (systemctl start bootes runs it as bootes), or, while no server runs: chown -R %s %s",
		what, path, userName(owner), userName(me), userName(owner), userName(me), dir))
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// makeData makes the data folder.
func makeData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return cannotMake(dir, err)
	}
	return nil
}

func cannotMake(dir string, err error) error {
	if !isAny(err, fs.ErrPermission, unix.EROFS) {
		return fmt.Errorf("make data folder: %w", err)
	}
	return withCode(exitMissing, fmt.Errorf("make data folder: %w: make it for this user: install -d -m 700 -o %s %s; a unit with ProtectSystem=strict needs ReadWritePaths=%s, too",
		err, userName(os.Geteuid()), dir, dir))
}
