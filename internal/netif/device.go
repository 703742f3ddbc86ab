package netif

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// BindToDevice is a net.ListenConfig's Control that binds a socket to one
// interface.
func BindToDevice(name string) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		if cerr := c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), name) }); cerr != nil {
			return cerr
		}
		return err
	}
}
