package lab

import (
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkName is a fresh name for a network device in this namespace.
func (n *Net) linkName() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links++
	return fmt.Sprintf("tap%d", n.links)
}

// addTap makes a tap device on the bridge that outlives its users, for QEMU to
// open by name. The namespace's end removes it.
func (n *Net) addTap(name string) error {
	return n.Do(func() error {
		tap := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: netlink.TUNTAP_MODE_TAP}
		if err := netlink.LinkAdd(tap); err != nil {
			return fmt.Errorf("add tap %q: %w", name, err)
		}
		return plug(name)
	})
}

// openTap makes a tap device on the bridge whose other end is the returned file:
// one read or write is one Ethernet frame.
func (n *Net) openTap(name string) (*os.File, error) {
	var f *os.File
	err := n.Do(func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open /dev/net/tun: %w", err)
		}
		if err := setTap(fd, name); err != nil {
			_ = unix.Close(fd)
			return err
		}
		// Non-blocking, so the runtime's poller takes the file and Close
		// ends a blocked read. Only now: the kernel never wakes a poll that
		// began before the file had its device.
		file := os.NewFile(uintptr(fd), name)
		if err := plug(name); err != nil {
			file.Close()
			return err
		}
		f = file
		return nil
	})
	return f, err
}

func setTap(fd int, name string) error {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("name tap %q: %w", name, err)
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return fmt.Errorf("make tap %q: %w", name, err)
	}
	return nil
}

// plug connects a device of this namespace to the bridge and sets it up.
func plug(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %q: %w", name, err)
	}
	br, err := netlink.LinkByName(Bridge)
	if err != nil {
		return fmt.Errorf("find bridge: %w", err)
	}
	if err := netlink.LinkSetMaster(link, br); err != nil {
		return fmt.Errorf("plug %q into the bridge: %w", name, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %q up: %w", name, err)
	}
	return nil
}
