package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) volumeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "volume",
		Short: "Volumes, the machines' disks: create, list, show, snapshot, roll back, commit, back up, change, remove",
		Long: "A volume is a machine's disk: a writable clone of an image; or a data volume, blank at first, that machines\n" +
			"are given beside it. A machine's disk is named by the machine, or by its id or the beginning of that; a data\n" +
			"volume by its name. VOLUME@SNAPSHOT is what it was at a snapshot. Removing the volume of a machine that is off\n" +
			"resets the machine.",
		Example: "  bootes volume list\n  bootes volume snapshot pc01 before-upgrade\n  bootes volume rollback pc01 before-upgrade\n" +
			"  bootes volume commit pc01@before-upgrade lab:2\n  bootes volume rm pc01",
	}
	c.AddCommand(a.volumeCreate(), a.volumeList(), a.volumeShow(), a.volumeSnapshot(), a.volumeRollback(), a.volumeReset(), a.volumeClone(), a.volumeCommit(),
		a.volumeDiff(), a.volumeIO(), a.volumeResize(), a.volumeSet(), a.volumeFlatten(), a.volumeExport(), a.volumeBackup(), a.volumeRestore(),
		a.volumeFiles(), a.volumeCat(), a.volumeRemove())
	return group(c)
}

func (a *app) volumeList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List volumes", Args: exactly(),
		Long: "List volumes. OWN is what a volume has beyond its last snapshot or its image, LIMIT what the volume and its snapshots\n" +
			"may hold, NEWER the image that the machine's tag points to by now.",
		Example: "  bootes volume list\n  bootes volume list -o json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listVolumes(cmd.Context()) },
	}
}

func (a *app) listVolumes(ctx context.Context) error {
	l, err := a.client().Volumes(ctx)
	if err != nil {
		return err
	}
	return a.print(l, func() string { return a.volumeTable(l) })
}

func (a *app) volumeTable(l api.VolumeList) string {
	text := "no volumes: a machine gets one when it boots\n"
	if len(l.Volumes) > 0 {
		t := newTable("VOLUME", "MACHINE", "IMAGE", "NEWER", "MODE", ">SIZE", ">OWN", ">STORED", ">LIMIT", "OPEN", "CREATED")
		for _, v := range l.Volumes {
			t.row(v.ID, machinesOf(v), dash(v.Image), dash(v.Newer), v.Mode, bytesize.Format(v.Size), bytesize.Format(v.Own), bytesize.Format(v.Stored),
				usedText(v.UsedPercent, v.Limit), yesNo(v.Open), ago(a.now(), v.Created))
		}
		if !slices.ContainsFunc(l.Volumes, func(v api.Volume) bool { return v.Newer != "" }) {
			t.drop("NEWER")
		}
		text = t.String()
	}
	if l.Freeing > 0 {
		text += "being freed: " + bytesize.Format(l.Freeing) + "\n"
	}
	return text
}

// machinesOf are the machine whose disk a volume is, or those that have it.
func machinesOf(v api.Volume) string {
	if v.Mode != api.Data {
		return v.Machine
	}
	var names []string
	for _, s := range v.Attached {
		names = append(names, s.Machine)
	}
	return dash(strings.Join(names, ","))
}

// usedText tells how much of a limit is used, if much is to be told.
func usedText(percent int, limit int64) string {
	if limit == 0 || percent == 0 {
		return limitText(limit)
	}
	return fmt.Sprintf("%d %% of %s", percent, bytesize.Format(limit))
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *app) volumeShow() *cobra.Command {
	return &cobra.Command{
		Use: "show VOLUME", Short: "Show a volume", Args: exactly("VOLUME"),
		Example: "  bootes volume show pc01",
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := a.findVolume(cmd.Context(), args[0])
			if err == nil {
				v, err = a.client().Volume(cmd.Context(), v.ID) // the list does not tell all
			}
			if err != nil {
				return err
			}
			return a.print(v, func() string { return a.volumeSheet(v) })
		},
	}
}

func (a *app) volumeSheet(v api.Volume) string {
	traffic, through, asked := "", "", ""
	if v.Open {
		traffic = bytesize.Format(v.ReadBytes) + " read, " + bytesize.Format(v.WrittenBytes) + " written since it was opened"
	}
	if v.WriteThrough {
		through = "on: each write is on the disk before the machine is told so"
	}
	image := v.Image
	if v.Ref != v.Image {
		asked = v.Ref
	}
	switch {
	case image == "" && v.Mode == api.Data:
		image = "none: it was blank"
	case image == "":
		image = "none: it stands alone"
	}
	return sheet(
		"volume", v.ID,
		"machine", v.Machine,
		"attached to", attachedTo(v),
		"image", image,
		"made for", asked,
		"newer", newer(v.Newer, v.Machine),
		"digest", v.Digest,
		"mode", v.Mode,
		"size", sizeText(v),
		"stored", bytesize.Format(v.Stored),
		"own", writtenText(v.Own, v),
		"private", bytesize.Format(v.Private)+" that nothing else has",
		"limit", usedText(v.UsedPercent, v.Limit),
		"write-through", through,
		"speed", speedText(v),
		"reserved", reservedText(v.Reservations),
		"open", yesNo(v.Open),
		"traffic", traffic,
		"boot", v.Boot,
		"created", when(a.now(), v.Created)) + a.snapshotTable(v.Snapshots)
}

// writtenText tells since when a volume has written n bytes.
func writtenText(n int64, v api.Volume) string {
	text := bytesize.Format(n)
	switch {
	case strings.Contains(v.Since, ":"):
		text += " written on top of " + v.Since
	case v.Since != "":
		text += " written since snapshot " + v.Since
	}
	return text
}

func (a *app) snapshotTable(all []api.Snapshot) string {
	if len(all) == 0 {
		return ""
	}
	t := newTable("SNAPSHOT", ">OWN", ">SIZE", "STATE", "CREATED")
	for _, s := range all {
		t.row(s.Name, bytesize.Format(s.Own), bytesize.Format(s.Size), s.Consistent, ago(a.now(), s.Created))
	}
	return "\n" + t.String()
}

// findVolume finds the one volume that name means.
func (a *app) findVolume(ctx context.Context, name string) (api.Volume, error) {
	l, err := a.client().Volumes(ctx)
	if err != nil {
		return api.Volume{}, err
	}
	return pickVolume(l.Volumes, name)
}

// pickVolume prefers a whole id to a machine's name, and that to the
// beginning of an id: a machine may be named like one. That must be more than
// the machine's name, or pc01, which has no volume, would mean that of pc010. A
// machine's name means its own disk rather than the copy of an image that it
// updates.
func pickVolume(all []api.Volume, name string) (api.Volume, error) {
	for _, means := range []func(api.Volume) bool{
		func(v api.Volume) bool { return v.ID == name },
		func(v api.Volume) bool { return v.Machine == name && v.Mode != api.Updating },
		func(v api.Volume) bool { return v.Machine == name },
		func(v api.Volume) bool {
			return len(name) >= 4 && strings.HasPrefix(v.ID, name) && !strings.HasPrefix(v.Machine+"-", name)
		},
	} {
		found := slices.DeleteFunc(slices.Clone(all), func(v api.Volume) bool { return !means(v) })
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			ids := make([]string, len(found))
			for i, v := range found {
				ids[i] = v.ID
			}
			return api.Volume{}, usage("%q means more than one volume: %s", name, strings.Join(ids, ", "))
		}
	}
	return api.Volume{}, withCode(exitNotFound, fmt.Errorf("no volume %q, nor a machine %q that has one: `bootes volume list` shows all", name, name))
}
