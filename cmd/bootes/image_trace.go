package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/trace"
)

// Output formats: those of all commands, and the pictures that a command with
// the annotation picturesKey draws too.
var usualFormats = []string{"table", "json"}

const picturesKey = "pictures"

func pictures(cmd *cobra.Command) []string { return strings.Fields(cmd.Annotations[picturesKey]) }

// oneOf lists words as a sentence does.
func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (a *app) imageTrace() *cobra.Command {
	return &cobra.Command{
		Use: "trace IMAGE", Short: "Show what a machine read of an image while it booted, also as a picture", Args: exactly("IMAGE"),
		Long: "Show what a machine read of an image while it booted. When a machine boots from a disk that is new, as an\n" +
			"ephemeral one's is each time, its reads are recorded until it has run for half a minute and comes to rest; of\n" +
			"each image the last such boot is kept. -o png and -o svg draw it: offset on the disk over time. `bootes simulate\n" +
			"--room` reads it again.",
		Example: "  bootes image trace debian:12\n  bootes image trace debian:12 -o png > debian-12.png\n" +
			"  bootes image trace debian:12 -o json | jq '.reads | length'",
		Annotations: map[string]string{picturesKey: "png svg"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.format == "png" && terminal(a.out) {
				return usage("standard output is a terminal, and a PNG is binary: write it to a file: … -o png > FILE.png")
			}
			t, err := a.client().Trace(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			switch a.format {
			case "png":
				picture, err := trace.PNG(fromAPI(t))
				if err != nil {
					return err
				}
				_, err = a.out.Write(picture)
				return err
			case "svg":
				_, err := a.out.Write(trace.SVG(fromAPI(t)))
				return err
			}
			return a.print(t, func() string { return a.traceText(t) })
		},
	}
}

func fromAPI(a api.Trace) *trace.Trace {
	t := &trace.Trace{Image: clean(a.Image), Machine: clean(a.Machine), Began: a.Began, Size: a.Size, Cut: a.Cut}
	for _, m := range a.Marks {
		t.Marks = append(t.Marks, trace.Mark{At: micro(m.AtUS), Text: clean(m.Text)})
	}
	for _, r := range a.Reads {
		t.Reads = append(t.Reads, trace.Read{At: micro(r.AtUS), Offset: r.Offset, Length: r.Length})
	}
	return t
}

func micro(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

func (a *app) traceText(t api.Trace) string {
	cut := ""
	if t.Cut {
		cut = "it went on when the recording was full"
	}
	head := sheet(
		"image", t.Image,
		"machine", t.Machine,
		"booted", when(a.now(), t.Began),
		"reads", fmt.Sprint(len(t.Reads)),
		"read", fmt.Sprintf("%s, of the disk %s", bytesize.Format(t.Bytes), bytesize.Format(t.Distinct)),
		"took", tenths(t.TookUS),
		"cut", cut)
	steps := newTable("UNTIL", ">AT", ">READS", ">READ", ">PER READ")
	marks := append(slices.Clone(t.Marks), api.TraceMark{AtUS: t.TookUS, Text: "the last READ"})
	left := t.Reads
	for _, m := range marks {
		n, bytes := 0, int64(0)
		for n < len(left) && (left[n].AtUS <= m.AtUS) {
			bytes += left[n].Length
			n++
		}
		steps.row(m.Text, tenths(m.AtUS), fmt.Sprint(n), bytesize.Format(bytes), bytesize.Format(bytes/int64(max(n, 1))))
		left = left[n:]
	}
	return head + "\n" + steps.String()
}

// tenths is a time in seconds.
func tenths(us int64) string { return fmt.Sprintf("%.1f s", micro(us).Seconds()) }
