package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
)

func (a *app) imageHistory() *cobra.Command {
	return &cobra.Command{
		Use: "history IMAGE", Short: "Show the chain of layers that an image is made of", Args: exactly("IMAGE"),
		Long: "Show the chain of layers that an image is made of, its own first. OWN is what a layer holds that those\n" +
			"below it do not; a block is read from the first layer that has it.",
		Example: "  bootes image history debian:13\n  bootes image history debian:13 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := a.client().History(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(h, func() string { return a.historyTable(h) })
		},
	}
}

func (a *app) historyTable(h []api.HistoryLine) string {
	t := newTable("  CHAIN", ">OWN", ">STORED", ">SIZE", "LAYER", "CREATED")
	var own, stored int64
	for n, l := range h {
		what := l.Image
		switch {
		case what == "" && l.SnapshotOf != "":
			what = "snapshot of " + l.SnapshotOf
		case what == "":
			what = "(no name)"
		}
		t.row(link(n, len(h))+" "+what, bytesize.Format(l.Own), bytesize.Format(l.Stored), bytesize.Format(l.Size), shortLayer(l.Layer), ago(a.now(), l.Created))
		own, stored = own+l.Own, stored+l.Stored
	}
	return t.String() + fmt.Sprintf("%s of blocks, %s stored, in %s\n", bytesize.Format(own), bytesize.Format(stored), count(len(h), "layer"))
}

// shortLayer is enough of a layer's UUID to tell it from others.
func shortLayer(id string) string { return id[:min(13, len(id))] }

// link draws the nth link of a chain.
func link(n, of int) string {
	switch {
	case of == 1:
		return "─"
	case n == 0:
		return "┌"
	case n == of-1:
		return "└"
	}
	return "├"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
