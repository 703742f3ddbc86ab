package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"bootes.dev/internal/api"
	"bootes.dev/internal/simulate"
)

// tellOf says what is about to be played, and what cannot be seen of it.
func (a *app) tellOf(o simulate.Options, sim api.Simulation, why error) {
	if a.format == "json" {
		return
	}
	who := o.MAC.String()
	if why == nil && sim.Machines[0].Machine != "" {
		who = fmt.Sprintf("%s (%s)", sim.Machines[0].Machine, who)
	}
	fmt.Fprintf(a.out, "%s starts from %s, asking on %s\n", clean(who), o.Firmware.Title, o.Interface)
	if why != nil {
		fmt.Fprintf(a.out, "note: %s\n", clean(noTicketText(why)))
	}
	if o.Lease {
		fmt.Fprintln(a.out, "note: the DHCP server keeps the lease until it ends")
	}
}

// noTicketText says what is not seen without the server's leave.
func noTicketText(why error) string {
	var nobody *api.Unreachable
	const then = ": the script of a Boötes, and what comes after it, will not be seen"
	switch {
	case errors.As(why, &nobody) && errors.Is(nobody.Err, fs.ErrPermission):
		return "this user may not use the server's socket" + then
	case errors.As(why, &nobody):
		return "no Boötes answers on this computer" + then
	}
	return fmt.Sprintf("the server makes no ticket: %v%s", why, then)
}

var arrows = map[simulate.Way]string{simulate.Out: "▶", simulate.In: "◀", simulate.None: " "}

// tellStep prints steps as they come, under the names of their stages.
func (a *app) tellStep() func(simulate.Step) {
	var stage simulate.Stage
	return func(s simulate.Step) {
		if s.Stage != stage {
			stage = s.Stage
			fmt.Fprintf(a.out, "\n%s\n", stage)
		}
		mark := ""
		if s.Bad {
			mark = "✗ "
		}
		fmt.Fprintf(a.out, "%3d %s %-8s  %s%s\n", s.N, arrows[s.Way], clean(s.What), mark, clean(s.Text))
		for _, m := range s.Means {
			fmt.Fprintf(a.out, "%16s%s\n", "", clean(m))
		}
	}
}

// verdictText ends the story.
func verdictText(r simulate.Report) string {
	var b strings.Builder
	if len(r.Remarks) > 0 {
		b.WriteString("\nthe server says of this\n")
		for _, text := range r.Remarks {
			fmt.Fprintf(&b, "      %s\n", clean(text))
		}
	}
	title := map[simulate.Outcome]string{simulate.Boots: "it would boot", simulate.Fails: "it would not boot", simulate.Unclear: "it cannot be told from here"}[r.Verdict.Outcome]
	fmt.Fprintf(&b, "\n%s: %s\n", title, clean(r.Verdict.Text))
	for _, text := range r.Verdict.Remedies {
		fmt.Fprintf(&b, "  remedy: %s\n", clean(text))
	}
	return b.String()
}
