package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
)

// report prints what the boots have cost.
func (d *demo) report(ctx context.Context) error {
	var image api.Image
	if err := d.site.JSON(ctx, &image, "image", "show", imageRef); err != nil {
		return err
	}
	var volumes api.VolumeList
	if err := d.site.JSON(ctx, &volumes, "volume", "list"); err != nil {
		return err
	}
	d.printf("\nSeconds from power-on to:\n\n")
	d.printf("  %-9s %8s %8s %8s %8s %8s %8s   %9s %9s   %s\n",
		"machine", "iPXE", "script", "disk", "kernel", "writing", "login", "read", "written", "clone on disk")
	for _, m := range d.machines {
		boots, err := d.site.Boots(ctx, m.name)
		if err != nil {
			return err
		}
		if len(boots) == 0 {
			return fmt.Errorf("report: no boot of %q is recorded", m.name)
		}
		var cells []string
		for _, st := range []recorder.Stage{recorder.StageIPXE, recorder.StageScript, recorder.StageLogin, recorder.StageKernel, recorder.StageRunning} {
			cells = append(cells, fmt.Sprintf("%8s", d.reached(boots[0], st)))
		}
		v := volumeOf(volumes, m.name)
		d.printf("  %-9s %s %8.1f   %9s %9s   %s\n", m.name, strings.Join(cells, " "), m.login.Seconds(),
			mib(v.ReadBytes), mib(v.WrittenBytes), mib(v.Stored))
	}
	d.printf("\n  golden image %s: a disk of %s, %s stored once for both\n", image.Ref, mib(image.Size), mib(image.Stored))
	return nil
}

// reached is when a boot came to a stage, in seconds from power-on.
func (d *demo) reached(b recorder.Boot, st recorder.Stage) string {
	for _, e := range b.Events {
		if e.Stage == st {
			return fmt.Sprintf("%.1f", e.Time.Sub(d.start).Round(100*time.Millisecond).Seconds())
		}
	}
	return "-"
}

func volumeOf(l api.VolumeList, machine string) api.Volume {
	for _, v := range l.Volumes {
		if v.Machine == machine {
			return v
		}
	}
	return api.Volume{}
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
