package netif

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// tcpListen is the state LISTEN in /proc/net/tcp (include/net/tcp_states.h).
const tcpListen = "0A"

// PortHolder finds a program that keeps us from binding addr on "udp" or
// "tcp": one whose socket has the same port and the same address, or either of
// the two unspecified. It reads /proc, so without root only our own processes
// are named; ok is false when no program is found.
func PortHolder(network string, addr netip.AddrPort) (name string, pid int, ok bool) {
	return portHolder("/proc", network, addr)
}

// TakenError: another program has the port.
type TakenError struct {
	Network string // "udp" or "tcp"
	Port    uint16
	Name    string // of the program; "" when it was not found
	PID     int
	err     error
}

func (e *TakenError) Error() string {
	by := "another program"
	if e.Name != "" {
		by = fmt.Sprintf("%s (pid %d)", e.Name, e.PID)
	}
	return fmt.Sprintf("%s port %d is taken by %s", e.Network, e.Port, by)
}

// Unwrap returns what the system said: EADDRINUSE, in whatever wrapping.
func (e *TakenError) Unwrap() error { return e.err }

// BindError explains an error of binding a port: EADDRINUSE becomes a
// *TakenError. Other errors come back as they are.
func BindError(network string, addr netip.AddrPort, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	e := &TakenError{Network: network, Port: addr.Port(), err: err}
	e.Name, e.PID, _ = PortHolder(network, addr)
	return e
}

func portHolder(proc, network string, addr netip.AddrPort) (name string, pid int, ok bool) {
	network = strings.TrimRight(network, "46")
	inodes := make(map[string]bool)
	for _, table := range []string{network, network + "6"} {
		f, err := os.Open(filepath.Join(proc, "net", table))
		if err != nil {
			continue
		}
		collect(bufio.NewScanner(f), network == "tcp", addr, inodes)
		f.Close()
	}
	if len(inodes) == 0 {
		return "", 0, false
	}
	return socketOwner(proc, inodes)
}

// collect adds the inodes of the sockets in a /proc/net table that clash with
// addr. A line's fields: sl local_address rem_address st … inode (the tenth).
func collect(lines *bufio.Scanner, tcp bool, addr netip.AddrPort, inodes map[string]bool) {
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 10 || tcp && f[3] != tcpListen {
			continue
		}
		local, ok := parseProcAddr(f[1])
		if !ok || local.Port() != addr.Port() {
			continue
		}
		a, b := local.Addr(), addr.Addr().Unmap()
		if a == b || a.IsUnspecified() || !b.IsValid() || b.IsUnspecified() {
			inodes[f[9]] = true
		}
	}
}

// parseProcAddr reads "0100007F:0045": 32-bit words in host byte order, then
// the port as a plain number.
func parseProcAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
}

// socketOwner looks through every process's descriptors for one of the sockets.
func socketOwner(proc string, inodes map[string]bool) (name string, pid int, ok bool) {
	fds, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue
		}
		inode, found := strings.CutPrefix(target, "socket:[")
		if !found || !inodes[strings.TrimSuffix(inode, "]")] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		pid, _ = strconv.Atoi(filepath.Base(dir))
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue // it ended in between
		}
		return strings.TrimSpace(string(comm)), pid, true
	}
	return "", 0, false
}
