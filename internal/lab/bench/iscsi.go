package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/site"
)

// load is one way to read a disk.
type load struct {
	name          string
	blocks, depth int
	random        bool
}

var loads = []load{
	{"4 KiB random read, queue depth 1", 8, 1, true},
	{"4 KiB random read, queue depth 32", 8, 32, true},
	{"256 KiB sequential read, queue depth 32", 512, 32, false},
}

// result is what one load gave.
type result struct {
	iops float64
	cpu  time.Duration // of the server, per I/O
}

// rounds of each iSCSI load; the medians count.
const rounds = 3

// iscsi measures reads by iscsi-perf from a host on the network, beside tgt.
func (b *bench) iscsi(ctx context.Context) (err error) {
	s, end, err := b.bootes(ctx)
	if end != nil {
		defer func() { err = errors.Join(err, end()) }()
	}
	if err != nil {
		return err
	}
	idle, err := residentKiB(s.Server().Pid())
	if err != nil {
		return err
	}
	ours, err := connect(ctx, s)
	if err != nil {
		return err
	}
	n, err := lab.NewNet(lab.NetOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	theirs, err := b.tgt(ctx, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.Out, "\n| load | Boötes IOPS | tgt IOPS | ratio | Boötes CPU per I/O | tgt CPU per I/O | ratio |\n|---|---|---|---|---|---|---|\n")
	for _, l := range loads {
		var mine, peers []result
		for range rounds {
			ra, err := b.read(ctx, ours, l)
			if err != nil {
				return err
			}
			rt, err := b.read(ctx, theirs, l)
			if err != nil {
				return err
			}
			mine, peers = append(mine, ra), append(peers, rt)
		}
		a, t := medianOf(mine), medianOf(peers)
		fmt.Fprintf(b.Out, "| %s | %.0f | %.0f | %.2f | %s | %s | %.2f |\n", l.name, a.iops, t.iops, a.iops/t.iops,
			a.cpu.Round(100*time.Nanosecond), t.cpu.Round(100*time.Nanosecond), float64(a.cpu)/float64(t.cpu))
	}
	fmt.Fprintf(b.Out, "\nResident memory of `bootes serve`, idle, one image and one machine: %d MiB.\n", idle>>10)
	return nil
}

var clientAddr = netip.MustParseAddr("10.77.0.90")

// connect plays the machine up to its script, which holds the key to its disk.
func connect(ctx context.Context, s *site.Site) (*server, error) {
	host, err := s.Net.NewHost(mac, clientAddr)
	if err != nil {
		return nil, err
	}
	set, err := s.Script(ctx, host, mac)
	if err != nil {
		return nil, err
	}
	addr := s.Net.Server().Addr()
	return &server{
		client: host, pid: s.Server().Pid(), init: set["initiator-iqn"],
		target: fmt.Sprintf("iscsi://%s%%%s@%s/iqn.2026-01.dev.bootes:%s/0", set["username"], set["password"], addr, pc),
	}, nil
}

// medianOf is the result with the middle IOPS.
func medianOf(all []result) result {
	slices.SortFunc(all, func(a, b result) int { return cmp.Compare(a.iops, b.iops) })
	return all[len(all)/2]
}

// tgt offers a plain copy of the image in a network of its own.
func (b *bench) tgt(ctx context.Context, n *lab.Net) (*server, error) {
	const secret = "abcdefgh12345678"
	r, err := n.StartRecipe(ctx, lab.RecipeMachine{Name: pc, MAC: mac, Image: b.image, User: pc, Secret: secret})
	if err != nil {
		return nil, err
	}
	host, err := n.NewHost(mac, clientAddr)
	return &server{
		client: host, pid: r.Target.Pid(), init: lab.RecipeInitiator(pc),
		target: fmt.Sprintf("iscsi://%s%%%s@%s/%s/1", pc, secret, n.Server().Addr(), lab.RecipeIQN(pc)),
	}, err
}

var average = regexp.MustCompile(`iops average (\d+)`)

// read runs one load and takes the server's CPU time over it.
func (b *bench) read(ctx context.Context, s *server, l load) (result, error) {
	args := []string{"-i", s.init, "-m", fmt.Sprint(l.depth), "-b", fmt.Sprint(l.blocks), "-t", fmt.Sprint(b.Seconds)}
	if l.random {
		args = append(args, "-r")
	}
	before, err := cpuTime(s.pid)
	if err != nil {
		return result{}, err
	}
	out, err := s.client.Run(ctx, "iscsi-perf", append(args, s.target)...)
	if err != nil {
		return result{}, err
	}
	after, err := cpuTime(s.pid)
	if err != nil {
		return result{}, err
	}
	all := average.FindAllStringSubmatch(string(out), -1)
	if len(all) == 0 {
		return result{}, fmt.Errorf("iscsi-perf printed no average: %s", out)
	}
	iops, err := strconv.ParseFloat(all[len(all)-1][1], 64)
	if err != nil || iops == 0 {
		return result{}, fmt.Errorf("iscsi-perf printed no average: %s", out)
	}
	return result{iops, time.Duration(float64(after-before) / (iops * float64(b.Seconds)))}, nil
}

// cpuTime is what a process has used, user and system (proc(5), stat, 14 and 15).
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func residentKiB(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	m := resident.FindSubmatch(b)
	if m == nil {
		return 0, fmt.Errorf("no VmRSS of process %d", pid)
	}
	return strconv.ParseInt(string(m[1]), 10, 64)
}
