// Package config reads bootes.yaml: how this server serves. What it serves
// (images, machines, volumes) is not in the file but in the store, where the
// command line and the API change it.
//
// A file is read in two steps. The YAML parser makes a tree in which each node
// knows its line and column; then the tree is walked by hand, so that every
// fault is reported at once, at its place, with what would be right. Nothing
// here looks at the machine: whether an interface exists, whether a range lies
// inside its network or a port is free is asked when the server starts.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"time"
)

// DefaultPath is where the server looks when it is not told.
const DefaultPath = "/etc/bootes/bootes.yaml"

// maxFile bounds what is read: far more than any honest config file.
const maxFile = 1 << 20

// Config is a whole config file, checked and with its defaults filled in.
type Config struct {
	File string // the name it was read by

	Data       string   // folder of everything that must be kept
	Loaders    []string // folders of the network boot programs (Debian: package ipxe), searched in order
	IQNPrefix  string   // before ":MACHINE" in target names
	API        API
	Ports      Ports
	TFTP       TFTP
	HTTP       HTTP
	Auth       Auth
	Metrics    netip.AddrPort // where Prometheus fetches by TCP; zero: nowhere
	Log        Log
	Limits     Limits
	Interfaces []Interface // empty: the file names none
}

// API is how the command line reaches the server.
type API struct {
	Socket string // path of the unix socket
	Group  string // members may use it, beside root; empty: root alone
}

// Ports are those that may be chosen. DHCP has 67 and 4011, always.
type Ports struct {
	HTTP  int // TCP
	TFTP  int // UDP
	ISCSI int // TCP
}

// Auth is how machines and disks are sure of each other.
type Auth struct {
	Mutual bool // machines have the server prove itself, by mutual CHAP
}

// Log is what the server says to its operator.
type Log struct {
	Level  slog.Level
	SlowIO time.Duration // from which on a command of a disk is told of
}

// Limits bound what volumes may take.
type Limits struct {
	MinFree Space // of the data folder's file system, never taken by volumes
	Volume  int64 // bytes of own data a new volume may hold; 0: no limit
	Warn    int   // percent of a volume's limit at which its owner is warned; 100: never
}

// Mode is what Boötes does with DHCP on one interface.
type Mode string

// The DHCP modes.
const (
	Proxy  Mode = "proxy"  // boot information only, beside another DHCP server
	Auto   Mode = "auto"   // as Proxy, while there is another DHCP server
	Server Mode = "server" // addresses too
	Off    Mode = "off"    // nothing
)

// Interface is one network that Boötes serves.
type Interface struct {
	Name string
	DHCP Mode

	Unknown Unknown   // what becomes of computers that nobody has added
	Enrol   Enrolment // for Hold and Enrol

	// The rest of this block is used in mode Server only.
	Subnet                // the interface's own network; without ranges: not served
	Subnets      []Subnet // further ones, behind relays or on the same wire
	Conflicts    bool     // look whether an address is in use before it is first offered
	Force        bool     // serve although another DHCP server answers
	ServeUnknown bool     // lease to clients that are neither known nor net-booting

	Portal netip.Addr // iSCSI address told to clients; zero: the one they asked
	HTTP   netip.Addr // HTTP address told to clients; zero: the one they asked

	Line, Column int // where the file has this entry, for later complaints
}

// Default returns the config of an empty file.
func Default() *Config {
	return &Config{
		Data:      "/var/lib/bootes",
		Loaders:   []string{"/usr/lib/ipxe"},
		IQNPrefix: "iqn.2026-01.dev.bootes",
		API:       API{Socket: "/run/bootes/bootes.sock", Group: "bootes"},
		Ports:     Ports{HTTP: 80, TFTP: 69, ISCSI: 3260},
		Auth:      Auth{Mutual: true},
		Log:       Log{Level: slog.LevelInfo, SlowIO: time.Second},
		Limits:    Limits{MinFree: DefaultMinFree, Warn: DefaultWarn},
	}
}

// DefaultWarn is the percentage of its limit at which a volume's owner is warned
// when the file does not say.
const DefaultWarn = 80

// DefaultLease is how long an address is leased when the file does not say.
const DefaultLease = time.Hour

// Load reads the file at path.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no config file %q (%w): name one with --config, or begin with: bootes serve --print-config > %s", path, fs.ErrNotExist, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("read config %q: larger than 1 MiB, surely not a config file", path)
	}
	return Parse(path, b)
}

// Parse reads the contents of a file; name is for messages. The error is a
// *SyntaxError or a Faults.
func Parse(name string, b []byte) (*Config, error) {
	c := Default()
	c.File = name
	root, err := parseTree(name, bytes.TrimPrefix(b, []byte("\ufeff")))
	if err != nil {
		return nil, err
	}
	r := &reader{name: name}
	r.config(root, c)
	if len(r.faults) > 0 {
		return nil, r.faults.sorted()
	}
	return c, nil
}
