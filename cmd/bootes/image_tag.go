package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) imageTag() *cobra.Command {
	return &cobra.Command{
		Use: "tag TAG IMAGE", Short: "Make a tag, or move it to another image", Args: exactly("TAG", "IMAGE"),
		Long: "Make a tag, or move it to another image. Ephemeral machines that boot the tag start from that image at\n" +
			"their next boot. Persistent ones keep their disks until `bootes volume reset`. Moving the tag back undoes it.",
		Example: "  bootes image tag debian:stable debian:13\n  bootes machine set pc01 --image debian:stable",
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := a.client().SetTag(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return a.print(t, func() string { return a.tagged(cmd.Context(), t) })
		},
	}
}

// tagged tells where a tag points, and what that means for whom.
func (a *app) tagged(ctx context.Context, t api.Tag) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s points to %s", clean(t.Ref), clean(t.Image))
	moved := t.Previous != "" && t.Previous != t.Image
	if moved {
		fmt.Fprintf(&b, ", before to %s", clean(t.Previous))
	}
	b.WriteByte('\n')
	b.WriteString(a.followers(ctx, t))
	if moved {
		fmt.Fprintf(&b, "back: bootes image tag %s %s\n", clean(t.Ref), clean(t.Previous))
	}
	return b.String()
}

// followers tells which machines boot a tag. The tag is what was asked for: if
// the machines cannot be listed, that is not worth an error.
func (a *app) followers(ctx context.Context, t api.Tag) string {
	machines, err := a.client().Machines(ctx)
	if err != nil {
		return ""
	}
	volumes, err := a.client().Volumes(ctx)
	if err != nil {
		return ""
	}
	keeps := func(m api.Machine) bool {
		return m.Mode == api.Persistent && slices.ContainsFunc(volumes.Volumes, func(v api.Volume) bool {
			return v.Machine == m.Name && v.Mode == api.Persistent && v.Ref == t.Ref && v.Image != t.Image
		})
	}
	var follow, stay []string
	for _, m := range machines {
		switch {
		case m.Image != t.Ref:
		case keeps(m):
			stay = append(stay, m.Name)
		default:
			follow = append(follow, m.Name)
		}
	}
	text := ""
	if len(follow) > 0 {
		text += fmt.Sprintf("their next boots start from it: %s\n", few(follow))
	}
	if len(stay) > 0 {
		text += fmt.Sprintf("they keep the disks that they have: %s; switched off, `bootes volume reset %s` takes it\n", few(stay), clean(stay[0]))
	}
	return text
}

// few names the first of many.
func few(names []string) string {
	const most = 8
	if len(names) <= most {
		return clean(strings.Join(names, ", "))
	}
	return clean(strings.Join(names[:most-1], ", ")) + fmt.Sprintf(" and %d more", len(names)-most+1)
}
