package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) dfCommand() *cobra.Command {
	return &cobra.Command{
		Use: "df", Short: "Show where the space is: disk, images, volumes, and what they share", Args: exactly(),
		Long: "Show where the space is. SIZE is the disk that a machine sees. OWN is what nothing else uses: what the\n" +
			"removal of this image or volume gives back. SHARED is what others use too, and is there once, however\n" +
			"many they are.",
		Example: "  bootes df\n  bootes df -o json | jq .total_own",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.client().Space(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(s, func() string { return spaceText(s) })
		},
	}
}

func spaceText(s api.Space) string {
	disk := fmt.Sprintf("%s free of %s", bytesize.Format(s.Free), bytesize.Format(s.Capacity))
	if s.MinFree > 0 {
		disk += fmt.Sprintf("; machines leave %s of it free", bytesize.Format(s.MinFree))
	}
	freeing := ""
	if s.Freeing > 0 {
		freeing = bytesize.Format(s.Freeing) + " of removed disks"
	}
	apart := int64(0) // if nothing were shared
	for _, i := range s.Images {
		apart += i.Own + i.Shared
	}
	for _, v := range s.Volumes {
		apart += v.Own + v.Shared
	}
	saved := ""
	if apart > s.TotalOwn {
		saved = bytesize.Format(apart-s.TotalOwn) + ": as copies they would take " + bytesize.Format(apart)
	}
	text := sheet("folder", s.Dir, "disk", disk, "being freed", freeing,
		"used", fmt.Sprintf("%s by %s and %s", bytesize.Format(s.TotalOwn), count(len(s.Images), "image"), count(len(s.Volumes), "volume")),
		"saved", saved)
	return text + imageSpace(s.Images) + volumeSpace(s.Volumes)
}

func imageSpace(all []api.ImageSpace) string {
	if len(all) == 0 {
		return ""
	}
	t := newTable("IMAGE", ">SIZE", ">OWN", ">SHARED")
	for _, i := range all {
		t.row(i.Ref, bytesize.Format(i.Virtual), bytesize.Format(i.Own), bytesize.Format(i.Shared))
	}
	return "\n" + t.String()
}

func volumeSpace(all []api.VolumeSpace) string {
	if len(all) == 0 {
		return ""
	}
	t := newTable("VOLUME", "MACHINE", ">SIZE", ">OWN", ">SHARED", ">LIMIT")
	for _, v := range all {
		t.row(v.ID, dash(v.Machine), bytesize.Format(v.Virtual), bytesize.Format(v.Own), bytesize.Format(v.Shared), limitText(v.Limit))
	}
	return "\n" + t.String()
}
