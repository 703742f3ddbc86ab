package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) volumeCreate() *cobra.Command {
	var size, limit, blockSize string
	var shared bool
	c := &cobra.Command{
		Use: "create NAME --size SIZE", Short: "Make a blank volume that machines can be given beside their disk", Args: exactly("NAME"),
		Long: "Make a blank volume, which belongs to no machine: `bootes machine attach` gives it to one, as a second disk,\n" +
			"and it stays when that machine goes. It takes space as it is written to. --shared lets several machines\n" +
			"have it at once: for cluster file systems and the like, which expect others to write to their disk; an\n" +
			"ordinary file system is destroyed by that.",
		Example: "  bootes volume create data1 --size 20G\n  bootes volume create quorum --size 1G --shared\n" +
			"  bootes volume create db --size 500G --block-size 4096 --limit 200G",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := newVolume(args[0], size, blockSize)
			if err != nil {
				return err
			}
			n.Shared = shared
			if limit != "" {
				bytes, err := parseLimit(limit)
				if err != nil {
					return err
				}
				n.Limit = &bytes
			}
			v, err := a.client().CreateVolume(cmd.Context(), n)
			if err != nil {
				return err
			}
			return a.print(v, func() string {
				return fmt.Sprintf("made volume %s: %s, blank\na machine gets it by: bootes machine attach MACHINE --volume %s\n", clean(v.ID), bytesize.Format(v.Size), clean(v.ID))
			})
		},
	}
	c.Flags().StringVar(&size, "size", "", "`size` of the disk, such as 20G")
	c.Flags().StringVar(&blockSize, "block-size", "512", "`bytes` of a logical block: 512, or 4096 for a disk that has no smaller ones")
	c.Flags().BoolVar(&shared, "shared", false, "several machines may have it at once")
	c.Flags().StringVar(&limit, "limit", "", "what it may hold, a `size` such as 10G, or none")
	return c
}

func newVolume(name, size, blockSize string) (n api.NewVolume, err error) {
	if size == "" {
		return n, usage("create volume %q: --size is missing: how large a disk, such as --size 20G", name)
	}
	n.Name = name
	if n.Size, err = diskSize(size); err != nil {
		return n, err
	}
	n.BlockSize, err = strconv.ParseInt(blockSize, 10, 64)
	if err != nil || n.BlockSize != 512 && n.BlockSize != 4096 {
		return n, usage("--block-size %s: write 512 or 4096", blockSize)
	}
	return n, nil
}

// diskSize reads the size of a disk.
func diskSize(s string) (int64, error) {
	n, err := bytesize.Parse(s)
	if err != nil {
		return 0, usage("%q is no size: %w", s, err)
	}
	if n < 4096 || n%4096 != 0 {
		return 0, usage("%q is no size of a disk: it must be a multiple of 4096 bytes", s)
	}
	return n, nil
}
