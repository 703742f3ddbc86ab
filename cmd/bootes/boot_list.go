package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/diagnose"
	"bootes.dev/internal/recorder"
)

// lately is how long `boot ls` shows a computer that nobody has added.
const lately = 24 * time.Hour

func (a *app) bootList() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the newest boot of every machine", Args: exactly(),
		Long: "List the newest boot of every machine: how it went, how far it came, and why it stopped, as one word (of a\n" +
			"boot under way: the boot before it); `bootes boot log` tells the rest. Computers that nobody has added are at the\n" +
			"end, if they were heard of in the last 24 hours.",
		Example: "  bootes boot ls\n  bootes boot ls -o json | jq -r '.[] | select(.outcome == \"stalled\") | .machine'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			boots, err := a.client().LatestBoots(cmd.Context())
			if err != nil {
				return err
			}
			if a.format != "json" && !all {
				boots = recent(boots, a.now())
			}
			return a.print(boots, func() string { return bootsText(boots, a.now()) })
		},
	}
	c.Flags().BoolVar(&all, "all", false, "show all computers that nobody has added, too (-o json always does)")
	return c
}

// recent takes out strangers that were not heard of lately.
func recent(all []api.LatestBoot, now time.Time) (some []api.LatestBoot) {
	for _, b := range all {
		if b.Machine != "" || now.Sub(b.Last) < lately {
			some = append(some, b)
		}
	}
	return some
}

func bootsText(all []api.LatestBoot, now time.Time) string {
	if len(all) == 0 {
		return "no machines yet, and nobody has asked to boot: `bootes boot watch` shows what arrives\n"
	}
	t := newTable("MACHINE", "BOOT", "STARTED", "STAGE", "OUTCOME", "AFTER", "WHY")
	for _, b := range all {
		outcome, after, why := "under way", now.Sub(b.Started), ""
		if b.Outcome != "" {
			outcome, after = string(b.Outcome), b.Ended.Sub(b.Started)
		}
		if aside(b) {
			outcome = "-"
		}
		if b.Diagnosis != nil {
			why = b.Diagnosis.Kind
		} else if b.Before != "" {
			why = b.Before + " (boot before)"
		}
		if b.Outcome == recorder.OutcomeRunning && why == diagnose.SystemSilent {
			outcome = "silent"
		}
		if b.Started.IsZero() {
			t.row(b.Machine, "-", "never", "-", "-", "-", "-")
			continue
		}
		t.row(subject(b.Machine, b.MAC), dash(b.ID), ago(now, b.Started), dash(string(b.Stage)), outcome, span(after), dash(why))
	}
	text := t.String()
	if n := diagnosed(all); n > 0 {
		text += fmt.Sprintf("something is wrong with %s: `bootes boot log NAME` says what\n", count(n, "boot"))
	}
	return text
}

func diagnosed(all []api.LatestBoot) (n int) {
	for _, b := range all {
		if b.Diagnosis != nil || b.Before != "" || b.Outcome == recorder.OutcomeStalled {
			n++
		}
	}
	return n
}
