package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) volumeIO() *cobra.Command {
	over := time.Second
	c := &cobra.Command{
		Use: "io VOLUME", Short: "Show how fast a volume serves its machine, and what was slow", Args: exactly("VOLUME"),
		Long: "Show what machines do with a volume: commands and bytes a second just now, how many there were since it was\n" +
			"opened and how long they took, and the last slow ones (log: {slow_io: 1s} in the config) with where they\n" +
			"waited: for other commands, for ordered ones, for the volume's limits, for the server's disk, or for the\n" +
			"machine and the network.",
		Example: "  bootes volume io pc01\n  bootes volume io pc01 --over 10s -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if over < 10*time.Millisecond || over > time.Minute {
				return usage("--over %s: write a time from 10ms to 1m", over)
			}
			v, err := a.findVolume(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			io, err := a.client().VolumeIO(cmd.Context(), v.ID, over)
			if err != nil {
				return err
			}
			return a.print(io, func() string { return a.ioText(io) })
		},
	}
	c.Flags().DurationVar(&over, "over", over, "`time` to look for")
	return c
}

func (a *app) ioText(v api.VolumeIO) string {
	if v.Since == nil {
		return clean(v.Volume) + " is not open: no machine uses it\n"
	}
	t := newTable("OP", ">IOPS", ">PER SECOND", ">COMMANDS", ">BYTES", ">MEAN", ">P50", ">P99")
	for _, o := range v.Ops {
		t.row(o.Op, fmt.Sprintf("%.0f", o.IOPS), bytesize.Format(int64(o.BytesPerSecond)), fmt.Sprint(o.Commands),
			bytesize.Format(int64(o.Bytes)), micros(o.MeanUS), micros(o.P50US), micros(o.P99US))
	}
	text := fmt.Sprintf("%s, opened %s\n", clean(v.Volume), ago(a.now(), *v.Since)) + t.String()
	if len(v.Slow) == 0 {
		return text
	}
	t = newTable("SLOW", "OP", "FROM", ">LUN", ">OFFSET", ">LENGTH", ">TOOK", ">QUEUE", ">LOCK", ">LIMIT", ">DISK", ">SOCKET")
	for _, o := range v.Slow {
		t.row(ago(a.now(), o.At), o.Op, clean(o.Machine), fmt.Sprint(o.LUN), fmt.Sprint(o.Offset), bytesize.Format(o.Length),
			micros(o.TotalUS), micros(o.QueueUS), micros(o.LockUS), micros(o.LimitUS), micros(o.DiskUS), micros(o.SocketUS))
	}
	return text + "\n" + t.String()
}

// micros is a number of microseconds in words of three digits or so.
func micros(us int64) string {
	d := time.Duration(us) * time.Microsecond
	switch {
	case d == 0:
		return "-"
	case d >= 10*time.Second:
		d = d.Round(time.Second)
	case d >= 10*time.Millisecond:
		d = d.Round(time.Millisecond)
	}
	return d.String()
}
