// Package bench measures Boötes beside the classic recipe (dnsmasq, tgt and a
// plain copy of the image), in the same lab, in one run. docs/BENCHMARKS.md
// holds what it printed.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/site"
)

// Options of a run.
type Options struct {
	Program string         // path of bootes
	Lab     string         // path of this program, which is started as client
	Rounds  int            // boots of each kind
	Seconds float64        // length of each measurement of a server; 0: none
	ISCSI   bool           // the target, beside tgt
	UEFI    bool           // boots of UEFI only
	Storm   []int          // how many machines boot at once, rising
	DHCP    bool           // leases, beside Kea and dnsmasq, and rooms of machines
	Files   bool           // files by TFTP and HTTP, beside tftpd-hpa, dnsmasq and nginx
	Quick   bool           // small disks and one round: shows that it works
	Loads   *regexp.Regexp // of the target, only those whose names match, and nothing else; nil: all
	Parts   *regexp.Regexp // of DHCP, only those whose names match; nil: all
	Out     io.Writer      // Markdown tables
	Say     io.Writer      // what it is at
}

// speedRounds of each load; the medians count. Large transfers go at one of two
// speeds, seen of the bare loop as well, so three would be a lottery.
func (o *Options) speedRounds() int {
	if o.Quick {
		return 1
	}
	return 7
}

func (o *Options) idleSessions() int {
	if o.Quick {
		return 20
	}
	return 1000
}

// imageRef is the golden image's name in the benchmarks.
const imageRef = "debian:12"

// pc is the machine that is measured.
const pc = "pc1"

const mac = "52:54:00:be:9c:01"

type bench struct {
	Options
	image string // path of the golden image
	dir   string // of what the DHCP servers keep
}

// Run measures everything and prints it.
func Run(ctx context.Context, o Options) error {
	if o.Files && o.Seconds > 0 {
		if err := (&bench{Options: o}).files(ctx); err != nil {
			return err
		}
	}
	if o.DHCP && o.Seconds > 0 {
		if err := (&bench{Options: o}).dhcp(ctx); err != nil {
			return err
		}
	}
	o.ISCSI = o.ISCSI && o.Seconds > 0
	if o.Rounds == 0 && !o.ISCSI {
		return nil
	}
	image, err := site.GoldenImage(ctx, func(stage string, done, total int) {
		fmt.Fprintf(o.Out, "building the golden image: %d of %d: %s\n", done, total, stage)
	})
	if err != nil {
		return err
	}
	b := &bench{Options: o, image: image}
	if b.ISCSI {
		if err := b.iscsi(ctx); err != nil {
			return err
		}
	}
	if b.Rounds > 0 {
		return b.boots(ctx)
	}
	return nil
}

// bootes starts Boötes with the machine pc in a network of its own.
func (b *bench) bootes(ctx context.Context) (*site.Site, func() error, error) {
	dir, err := os.MkdirTemp("/var/tmp", "bootes-bench-")
	if err != nil {
		return nil, nil, err
	}
	n, err := lab.NewNet(lab.NetOptions{})
	end := func() error {
		err := os.RemoveAll(dir)
		if n != nil {
			err = errors.Join(n.Close(), err)
		}
		return err
	}
	if err != nil {
		return nil, end, err
	}
	s, err := b.start(ctx, n, dir, b.image)
	return s, end, err
}

// start starts Boötes with a machine that boots an image.
func (b *bench) start(ctx context.Context, n *lab.Net, dir, image string) (*site.Site, error) {
	config, socket := n.Path("bootes.yaml"), n.Path("bootes.sock")
	text := fmt.Sprintf("data: %s\napi: {socket: %s, group: root}\ninterfaces:\n"+
		"  - {name: %s, dhcp: server, range: 10.77.0.100-10.77.0.199}\n", filepath.Join(dir, "data"), socket, lab.Bridge)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s, err := site.Start(ctx, n, site.Options{Program: b.Program, Config: config, Socket: socket})
	if err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"image", "import", imageRef, image, "--identity"},
		{"machine", "add", pc, "--mac", mac, "--image", imageRef, "--ephemeral"},
	} {
		if _, err := s.CLI(ctx, args...); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// median is the middle of the durations.
func median(d []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[len(s)/2]
}
