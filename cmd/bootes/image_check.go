package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) imageCheck() *cobra.Command {
	card := ""
	c := &cobra.Command{
		Use: "check IMAGE", Short: "Look into an image for what keeps machines from booting it", Args: exactly("IMAGE"),
		Long: "Look into an image for what keeps machines from booting it: GRUB's configuration, the kernel and the initramfs\n" +
			"that it starts by default, whether that initramfs has iSCSI, root=, /sbin/init and /etc/fstab; folders of other\n" +
			"computers that it mounts (NFS, SMB) are noted, and not looked for. Systems that are not Linux with GRUB, on ext2,\n" +
			"ext3, ext4 or FAT, are not looked into. The server looks in the same way at the disk of a boot that has stopped.\n" +
			"The exit code is 8 if no machine can boot the image.",
		Example: "  bootes image check debian:12\n  bootes image check debian:12 --card 8086:15bb\n  bootes image check debian:12 -o json | jq .faults",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := a.client().CheckImage(cmd.Context(), args[0], strings.ToLower(card))
			if err != nil {
				return err
			}
			if err := a.print(k, func() string { return checkedText(k) }); err != nil {
				return err
			}
			if slices.ContainsFunc(k.Faults, func(f api.ImageFault) bool { return f.Sure }) {
				who := "no machine"
				if card != "" {
					who += " with the network card " + card
				}
				return withCode(exitFaulty, fmt.Errorf("%s boots image %s as it is", who, k.Ref))
			}
			return nil
		},
	}
	c.Flags().StringVar(&card, "card", "", "PCI `vendor:device` of the machines' network card, as lspci -n has it: is its driver there?")
	return c
}

func checkedText(k api.Checked) string {
	var b strings.Builder
	for _, g := range k.Good {
		fmt.Fprintf(&b, "  ok    %s\n", clean(g))
	}
	for _, n := range k.Notes {
		fmt.Fprintf(&b, "  note  %s\n", clean(n))
	}
	for _, f := range k.Faults {
		word := "warn"
		if f.Sure {
			word = "fail"
		}
		fmt.Fprintf(&b, "  %s  %s\n        remedy: %s\n", word, clean(f.Text), clean(f.Remedy))
	}
	if len(k.Faults) == 0 {
		fmt.Fprintf(&b, "nothing in %s was found that would keep a machine from booting it\n", clean(k.Ref))
	}
	return b.String()
}
