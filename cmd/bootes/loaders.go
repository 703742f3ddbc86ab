package main

import (
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

func (a *app) loadersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "loaders", Short: "Show which firmware is given which file to start iPXE", Args: exactly(),
		Long: "Show which firmware is given which file to start iPXE, and what to put where for firmware that there is\n" +
			"none for. The folders are loaders: in the config; files that are put there count at once. A signed loader\n" +
			"is one that firmware with Secure Boot runs, too. `bootes machine set NAME --loader FILE` gives one machine\n" +
			"another file.",
		Example: "  bootes loaders\n  bootes loaders -o json | jq -r '.loaders[] | select(.lack) | .firmware'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := a.client().Loaders(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(l, func() string { return loadersText(l) })
		},
	}
}

func loadersText(l api.Loaders) string {
	there := newTable("FIRMWARE", "FILE", "FOLDER", "SIGNED")
	var lack []string
	for _, x := range l.Loaders {
		if x.File == "" {
			lack = append(lack, x.Firmware, x.Lack)
			continue
		}
		there.row(x.Firmware, x.File, x.Folder, yesNo(x.Signed))
	}
	text := "folders: " + clean(strings.Join(l.Folders, ", ")) + "\n\n" + there.String()
	if len(lack) > 0 {
		text += "\nnothing yet for:\n" + sheet(lack...)
	}
	return text
}
