package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) volumeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "volume",
		Short: "Volumes, the machines' disks: list, show, change, remove",
		Long: "A volume is a machine's disk: a writable clone of an image. It is named by its id, by the beginning\n" +
			"of its id, or by its machine. Removing the volume of a machine that is off resets the machine.",
		Example: "  bootes volume list\n  bootes volume rm pc01",
	}
	c.AddCommand(a.volumeList(), a.volumeShow(), a.volumeSet(), a.volumeRemove())
	return group(c)
}

func (a *app) volumeList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List volumes", Args: exactly(),
		Example: "  bootes volume list\n  bootes volume list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.client().Volumes(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(l, func() string { return a.volumeTable(l) })
		},
	}
}

func (a *app) volumeTable(l api.VolumeList) string {
	text := "no volumes: a machine gets one when it boots\n"
	if len(l.Volumes) > 0 {
		t := newTable("VOLUME", "MACHINE", "IMAGE", "MODE", ">SIZE", ">STORED", ">LIMIT", "OPEN", "CREATED")
		for _, v := range l.Volumes {
			t.row(shortID(v.ID), v.Machine, v.Image, v.Mode, bytesText(v.Size), bytesText(v.Stored), limitText(v.Limit),
				yesNo(v.Open), ago(a.now(), v.Created))
		}
		text = t.String()
	}
	if l.Freeing > 0 {
		text += "being freed: " + bytesText(l.Freeing) + "\n"
	}
	return text
}

func shortID(id string) string { return id[:min(13, len(id))] }

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
			if err != nil {
				return err
			}
			return a.print(v, func() string { return a.volumeSheet(v) })
		},
	}
}

func (a *app) volumeSheet(v api.Volume) string {
	traffic := ""
	if v.Open {
		traffic = bytesText(v.ReadBytes) + " read, " + bytesText(v.WrittenBytes) + " written since it was opened"
	}
	return sheet(
		"volume", v.ID,
		"machine", v.Machine,
		"image", v.Image,
		"digest", v.Digest,
		"mode", v.Mode,
		"size", bytesText(v.Size),
		"stored", bytesText(v.Stored),
		"limit", limitText(v.Limit),
		"open", yesNo(v.Open),
		"traffic", traffic,
		"boot", v.Boot,
		"created", when(a.now(), v.Created))
}

func (a *app) volumeSet() *cobra.Command {
	var limit string
	c := &cobra.Command{
		Use: "set VOLUME", Short: "Change a volume's limit", Args: exactly("VOLUME"),
		Long:    "Change what a volume may hold beyond its image. It counts at once, also for a running machine.",
		Example: "  bootes volume set pc01 --limit 20G\n  bootes volume set pc01 --limit none",
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit == "" {
				return usage("nothing to change: give --limit")
			}
			n, err := parseLimit(limit)
			if err != nil {
				return err
			}
			v, err := a.findVolume(cmd.Context(), args[0])
			if err == nil {
				v, err = a.client().SetVolume(cmd.Context(), v.ID, api.VolumeChange{Limit: &n})
			}
			if err != nil {
				return err
			}
			return a.print(v, func() string {
				return fmt.Sprintf("limit of volume %s of %s: %s (%s stored)\n",
					clean(shortID(v.ID)), clean(v.Machine), limitText(v.Limit), bytesText(v.Stored))
			})
		},
	}
	c.Flags().StringVar(&limit, "limit", "", "a `size` such as 10G, or none")
	return c
}

func (a *app) volumeRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm VOLUME…", Short: "Remove volumes: their machines start again from the image", Args: some("VOLUME"),
		Long:    "Remove volumes. What was written to them is lost; their machines start again from the image. One\nthat is open is not removed: switch its machine off first.",
		Example: "  bootes volume rm pc01",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.removeAll("volume", args, func(name string) error {
				v, err := a.findVolume(cmd.Context(), name)
				if err != nil {
					return err
				}
				return a.client().RemoveVolume(cmd.Context(), v.ID)
			})
		},
	}
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
// beginning of an id: a machine may be named like one.
func pickVolume(all []api.Volume, name string) (api.Volume, error) {
	for _, means := range []func(api.Volume) bool{
		func(v api.Volume) bool { return v.ID == name },
		func(v api.Volume) bool { return v.Machine == name },
		func(v api.Volume) bool { return len(name) >= 4 && strings.HasPrefix(v.ID, name) },
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
