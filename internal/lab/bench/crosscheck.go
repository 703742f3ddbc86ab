package bench

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"

	"bootes.dev/internal/goals"
	"bootes.dev/internal/lab/load"
)

// crossCheck has clients that others wrote read the same disks.
func (b *bench) crossCheck(ctx context.Context, s sides) error {
	type check struct {
		name string
		run  func(context.Context, *side) (result, error)
	}
	checks := slices.DeleteFunc([]check{
		{"`iscsi-perf`, 4 KiB random read, QD 32", func(ctx context.Context, s *side) (result, error) { return b.iscsiPerf(ctx, s, 8, 32, "-r") }},
		{"`iscsi-perf`, 256 KiB sequential read, QD 8", func(ctx context.Context, s *side) (result, error) { return b.iscsiPerf(ctx, s, 512, 8) }},
		{"`qemu-img bench`, 4 KiB read, QD 32", func(ctx context.Context, s *side) (result, error) { return b.qemuBench(ctx, s) }},
		{"`qemu-img bench`, 4 KiB write, QD 32", func(ctx context.Context, s *side) (result, error) { return b.qemuBench(ctx, s, "-w") }},
	}, func(c check) bool { return !b.chosen(c.name) })
	if len(checks) == 0 {
		return nil
	}
	t := goals.New(b.Out, "cross-check", "Boötes", "tgt", "Boötes, of tgt", "CPU of the target per I/O: Boötes", "tgt", "")
	for _, c := range checks {
		ours, err := c.run(ctx, s.ours)
		if err != nil {
			return err
		}
		theirs, err := c.run(ctx, s.theirs)
		if err != nil {
			return err
		}
		t.Row(true, "", c.name, fmt.Sprintf("%.0f IOPS", ours.iops), fmt.Sprintf("%.0f IOPS", theirs.iops),
			fmt.Sprintf("%.2f", ours.iops/theirs.iops), ours.server.String(), theirs.server.String())
	}
	return nil
}

var average = regexp.MustCompile(`iops average (\d+)`)

// iscsiPerf is libiscsi's. Its random reads straddle two 4 KiB blocks.
func (b *bench) iscsiPerf(ctx context.Context, s *side, blocks, depth int, more ...string) (result, error) {
	seconds := max(1, int(b.Seconds))
	args := append([]string{"-i", s.endpoint.Initiator, "-m", fmt.Sprint(depth), "-b", fmt.Sprint(blocks), "-t", fmt.Sprint(seconds)}, more...)
	return counted(s, func() (float64, float64, error) {
		out, err := s.run(ctx, "iscsi-perf", append(args, s.url())...)
		if err != nil {
			return 0, 0, err
		}
		all := average.FindAllStringSubmatch(string(out), -1)
		if len(all) == 0 {
			return 0, 0, fmt.Errorf("iscsi-perf printed no average: %s", out)
		}
		iops, err := strconv.ParseFloat(all[len(all)-1][1], 64)
		return iops * float64(seconds), float64(seconds), err
	})
}

var completed = regexp.MustCompile(`Run completed in ([0-9.]+) seconds`)

// qemuBench is QEMU's own iSCSI driver.
func (b *bench) qemuBench(ctx context.Context, s *side, more ...string) (result, error) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		return result{}, err
	}
	ops := int(b.Seconds * 15000)
	args := append([]string{
		"bench", "-t", "none", "-d", "32", "-s", "4096", "-S", fmt.Sprint(4096 * 12289), "-c", fmt.Sprint(ops),
	}, more...)
	e := s.endpoint
	args = append(args, "--image-opts", fmt.Sprintf("driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=%s,file.target=%s,file.lun=%d,"+
		"file.user=%s,file.password=%s,file.initiator-name=%s", e.Portal, e.Target, e.LUN, e.User, e.Secret, e.Initiator))
	return counted(s, func() (float64, float64, error) {
		out, err := s.run(ctx, "qemu-img", args...)
		if err != nil {
			return 0, 0, err
		}
		m := completed.FindSubmatch(out)
		if m == nil {
			return 0, 0, fmt.Errorf("qemu-img bench printed no time: %s", out)
		}
		seconds, err := strconv.ParseFloat(string(m[1]), 64)
		return float64(ops), seconds, err
	})
}

// counted takes the target's CPU time over f, which tells I/Os and seconds.
func counted(s *side, f func() (ops, seconds float64, err error)) (result, error) {
	before, err := load.CPU(s.pid)
	if err != nil {
		return result{}, err
	}
	ops, seconds, err := f()
	if err != nil || ops == 0 || seconds == 0 {
		return result{}, fmt.Errorf("%s: %g I/Os in %g s: %w", s.name, ops, seconds, err)
	}
	after, err := load.CPU(s.pid)
	return result{iops: ops / seconds, server: perOp(after-before, ops)}, err
}
