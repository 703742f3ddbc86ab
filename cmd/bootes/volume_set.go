package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

// volumeFlags are the flags of `volume set`.
type volumeFlags struct {
	limit, through, shared, iops, bandwidth string
	clearReservations                       bool
}

func (a *app) volumeSet() *cobra.Command {
	var f volumeFlags
	c := &cobra.Command{
		Use: "set VOLUME", Short: "Change a volume's limits, who may have it, or how safely it writes", Args: exactly("VOLUME"),
		Long: "Change what a volume and its snapshots may hold beyond the image, how fast it serves, whether each write is\n" +
			"on the disk before the machine is told so (slower; the machine then also survives a power cut of the\n" +
			"server), whether several machines may have a data volume at once. --clear-reservations forgets what\n" +
			"initiators have reserved of it among themselves (`bootes volume show` tells): for a reservation whose\n" +
			"holder never comes back. All count at once, also for a running machine.",
		Example: "  bootes volume set pc01 --limit 20G\n  bootes volume set pc01 --limit none\n  bootes volume set pc01 --write-through=on\n" +
			"  bootes volume set data1 --iops 500 --bandwidth 50M\n  bootes volume set quorum --clear-reservations",
		RunE: func(cmd *cobra.Command, args []string) error {
			ch, err := f.change()
			if err != nil {
				return err
			}
			return a.setVolume(cmd.Context(), args[0], ch)
		},
	}
	s := c.Flags()
	s.StringVar(&f.limit, "limit", "", "what it may hold beyond the image, a `size` such as 10G, or none")
	s.StringVar(&f.through, "write-through", "", "`on` or off: each write is on the server's disk before the machine is told so")
	s.StringVar(&f.shared, "shared", "", "`on` or off: several machines may have it at once")
	s.StringVar(&f.iops, "iops", "", "commands a second, a `number`, or none")
	s.StringVar(&f.bandwidth, "bandwidth", "", "what it moves a second, a `size` such as 50M, or none")
	s.BoolVar(&f.clearReservations, "clear-reservations", false, "forget all persistent reservations and registrations")
	return c
}

func (f *volumeFlags) change() (ch api.VolumeChange, err error) {
	if *f == (volumeFlags{}) {
		return ch, usage("nothing to change: give --limit, --write-through, --shared, --iops, --bandwidth or --clear-reservations")
	}
	ch.ClearReservations = f.clearReservations
	if f.limit != "" {
		n, err := parseLimit(f.limit)
		if err != nil {
			return ch, err
		}
		ch.Limit = &n
	}
	if ch.IOPS, ch.Bandwidth, err = f.speed(); err != nil {
		return ch, err
	}
	if ch.WriteThrough, err = parseOnOff("write-through", f.through); err != nil {
		return ch, err
	}
	ch.Shared, err = parseOnOff("shared", f.shared)
	return ch, err
}

func (f *volumeFlags) speed() (iops, bandwidth *int64, err error) {
	if f.iops != "" {
		n := int64(0)
		if f.iops != "none" {
			if n, err = strconv.ParseInt(f.iops, 10, 64); err != nil || n < 1 {
				return nil, nil, usage("--iops %q: write a number from 1 on, or none", f.iops)
			}
		}
		iops = &n
	}
	if f.bandwidth != "" {
		n := int64(0)
		if f.bandwidth != "none" {
			if n, err = bytesize.Parse(f.bandwidth); err != nil || n < 1 {
				return nil, nil, usage("--bandwidth %q is no size: write one such as 50M, for a second, or none", f.bandwidth)
			}
		}
		bandwidth = &n
	}
	return iops, bandwidth, nil
}

// parseOnOff reads a switch; nil if it was not given.
func parseOnOff(flag, value string) (*bool, error) {
	on := value == "on"
	switch value {
	case "":
		return nil, nil
	case "on", "off":
		return &on, nil
	}
	return nil, usage("--%s=%s: write on or off", flag, value)
}

func (a *app) setVolume(ctx context.Context, name string, ch api.VolumeChange) error {
	p, err := a.findWhole(ctx, name)
	if err != nil {
		return err
	}
	v, err := a.client().SetVolume(ctx, p.ID, ch)
	if err != nil {
		return err
	}
	return a.print(v, func() string { return changedText(v, ch) })
}

// changedText tells what has become of a volume.
func changedText(v api.Volume, ch api.VolumeChange) string {
	var b strings.Builder
	of := "volume " + clean(v.ID)
	if v.Machine != "" {
		of += " of " + clean(v.Machine)
	}
	if ch.Limit != nil {
		fmt.Fprintf(&b, "limit of %s: %s (%s stored)\n", of, limitText(v.Limit), bytesize.Format(v.Stored))
	}
	if ch.WriteThrough != nil {
		fmt.Fprintf(&b, "write-through of %s: %s\n", of, onOff(v.WriteThrough))
	}
	if ch.Shared != nil {
		fmt.Fprintf(&b, "shared use of %s: %s\n", of, onOff(v.Shared))
	}
	if ch.IOPS != nil || ch.Bandwidth != nil {
		fmt.Fprintf(&b, "speed of %s: %s\n", of, cmp.Or(speedText(v), "no limit"))
	}
	if ch.ClearReservations {
		fmt.Fprintf(&b, "reservations of %s: none\n", of)
	}
	return b.String()
}

// attachedTo tells who has a data volume.
func attachedTo(v api.Volume) string {
	var at []string
	for _, s := range v.Attached {
		at = append(at, fmt.Sprintf("%s (LUN %d)", s.Machine, s.LUN))
	}
	text := strings.Join(at, ", ")
	switch {
	case v.Mode != api.Data:
		return ""
	case text == "":
		text = "no machine"
	}
	if v.Shared {
		text += "; several may have it at once"
	}
	return text
}

func sizeText(v api.Volume) string {
	if v.BlockSize == 4096 {
		return bytesize.Format(v.Size) + ", in blocks of 4096 bytes"
	}
	return bytesize.Format(v.Size)
}

// speedText tells how fast a volume may be; "" for no limit.
func speedText(v api.Volume) string {
	var limits []string
	if v.IOPS > 0 {
		limits = append(limits, fmt.Sprintf("%d commands a second at most", v.IOPS))
	}
	if v.Bandwidth > 0 {
		limits = append(limits, bytesize.Format(v.Bandwidth)+" a second at most")
	}
	return strings.Join(limits, ", ")
}

// reservedText tells who holds a volume against whom.
func reservedText(r *api.Reservations) string {
	if r == nil {
		return ""
	}
	text := "not reserved"
	if r.Type != "" {
		text = r.Type + ", by " + strings.Join(r.Holders, ", ")
	}
	for _, reg := range r.Registered {
		text += fmt.Sprintf("; registered: %s with key %s", reg.Initiator, reg.Key)
	}
	if !r.Kept {
		text += "; until the server restarts"
	}
	return text
}
