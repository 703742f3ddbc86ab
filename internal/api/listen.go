package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInUse: another server answers on the socket.
var ErrInUse = errors.New("another server has it")

// Listen makes the unix socket at path, for root and the members of group
// (empty or "root": root alone). Closing the listener removes it.
//
// A lock file beside the socket tells a living server from the socket that a
// dead one left, without a moment in which two servers both believe to be the
// first. The socket is made under another name and renamed when its owner and
// mode are right, so that nobody reaches it before.
func Listen(path, group string) (net.Listener, error) {
	gid, err := groupID(group)
	if err != nil {
		return nil, fmt.Errorf("open API socket %q: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open API socket: %w", err)
	}
	lock, err := lockSocket(path)
	if err != nil {
		return nil, fmt.Errorf("open API socket %q: %w", path, err)
	}
	l, err := listenAs(path, gid)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open API socket %q: %w", path, err)
	}
	return &listener{UnixListener: l, path: path, lock: lock}, nil
}

func groupID(name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	g, err := user.LookupGroup(name)
	var unknown user.UnknownGroupError
	if errors.As(err, &unknown) {
		return 0, fmt.Errorf("the group %q does not exist: create it with `groupadd --system %s`, or set api.group in the config (root lets in root alone)", name, name)
	}
	if err != nil {
		return 0, fmt.Errorf("look up group %q: %w", name, err)
	}
	return strconv.Atoi(g.Gid)
}

// lockSocket takes the lock for the socket at path. It is held by the open
// file: it goes with the process, however that ends.
func lockSocket(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		b := make([]byte, 16)
		n, _ := f.ReadAt(b, 0)
		f.Close()
		who := "another server"
		if n > 0 {
			who = "the server with process id " + string(b[:n])
		}
		return nil, fmt.Errorf("%w: %s; stop it first, or give this one its own api.socket", ErrInUse, who)
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock: %w", err)
	}
	return f, nil
}

func listenAs(path string, gid int) (*net.UnixListener, error) {
	if st, err := os.Lstat(path); err == nil && st.Mode().Type() != fs.ModeSocket {
		return nil, errors.New("something that is no socket is in its place: remove it, or change api.socket in the config")
	}
	if answers(path) {
		return nil, fmt.Errorf("%w, one that is no Boötes; stop it first, or change api.socket in the config", ErrInUse)
	}
	fresh := path + ".new"
	os.Remove(fresh)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := publish(fresh, path, gid); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(fresh))
	}
	return l, nil
}

// publish moves the socket to its name, with its owner and mode already right.
func publish(fresh, path string, gid int) error {
	mode := os.FileMode(0o660)
	if gid == 0 && os.Geteuid() != 0 {
		mode = 0o600 // root needs no group to get in
	} else if err := os.Chown(fresh, -1, gid); err != nil {
		return notMember(gid, err)
	}
	if err := os.Chmod(fresh, mode); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// notMember says what keeps a server that does not run as root from giving its
// socket to a group.
func notMember(gid int, err error) error {
	me, unknown := user.Current()
	group, none := user.LookupGroupId(strconv.Itoa(gid))
	if unknown != nil || none != nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("give it to group %s: %w: this server runs as user %s, which is no member: usermod -aG %s %s, or set api.group in the config to a group of its own",
		group.Name, fs.ErrPermission, me.Username, group.Name, me.Username)
}

func answers(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// listener removes its socket and then lets the lock go.
type listener struct {
	*net.UnixListener
	path string
	lock *os.File
	once sync.Once
}

func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		err = errors.Join(os.Remove(l.path), l.UnixListener.Close(), l.lock.Close())
	})
	return err
}
