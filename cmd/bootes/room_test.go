package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bootes.dev/internal/api"
	"bootes.dev/internal/recorder"
)

// latest is a boot that came to the stages given, one each second.
func latest(name string, ago time.Duration, stages ...recorder.Stage) api.LatestBoot {
	b := api.LatestBoot{}
	b.ID, b.Machine, b.Started, b.Last = name+"-1", name, now.Add(-ago), now.Add(-ago)
	for i, st := range stages {
		b.Stage, b.Last = st, b.Started.Add(time.Duration(i)*time.Second)
		b.Stages = append(b.Stages, recorder.StageTime{Stage: st, At: b.Last, Took: now.Sub(b.Last)})
	}
	b.Events = []recorder.Event{{Time: b.Last, Stage: b.Stage, Text: "came to " + string(b.Stage)}}
	return b
}

func ended(b api.LatestBoot, o recorder.Outcome) api.LatestBoot {
	b.Outcome, b.Ended = o, b.Last
	return b
}

func smallRoom() []api.LatestBoot {
	runs := ended(latest("pc01", time.Hour, recorder.StageFirmware, recorder.StageRunning), recorder.OutcomeRunning)
	runs.Traffic = api.Traffic{ReadBytes: 190 << 20, WrittenBytes: 6 << 20, Connected: true}
	warned := ended(latest("pc02", time.Hour, recorder.StageRunning), recorder.OutcomeRunning)
	warned.Connected = true
	warned.Events[0] = recorder.Event{Level: recorder.Warn, Text: "its disk is 92 percent full"}
	stuck := ended(latest("pc14", 3*time.Minute, recorder.StageFirmware, recorder.StageLoader), recorder.OutcomeStalled)
	stuck.Diagnosis = &recorder.Diagnosis{Kind: "loader-silent", Summary: "snponly.efi was fetched, then nothing came for 45 s"}
	slow := latest("pc03", 40*time.Second, recorder.StageFirmware, recorder.StageLoader)
	slow.Stages[1].Usual = 2 * time.Second
	stranger := ended(latest("", time.Minute, recorder.StageFirmware), recorder.OutcomeRefused)
	stranger.MAC, stranger.Events[0].Text, stranger.Events[0].Again, stranger.Events[0].Until = "52:54:00:00:00:99", "unknown machine", 3, stranger.Last.Add(time.Minute)
	passed := ended(latest("", 20*time.Hour, recorder.StageFirmware), recorder.OutcomeRefused)
	passed.MAC = "52:54:00:00:00:98"
	loads := latest("pc04", 4*time.Second, recorder.StageFirmware)
	loads.Transfer = &api.Transfer{Name: "undionly.kpxe", Proto: "TFTP", Began: now.Add(-3 * time.Second), Done: 30 << 10, Size: 90 << 10}
	reads := latest("pc07", 20*time.Second, recorder.StageFirmware, recorder.StageRead)
	reads.Traffic = api.Traffic{ReadBytes: 12 << 20, Connected: true}
	return []api.LatestBoot{
		runs, warned, slow, loads, reads, {Boot: api.Boot{Machine: "pc05"}},
		ended(latest("pc06", 24*time.Hour, recorder.StageIPXE), recorder.OutcomeStalled), stuck, stranger, passed,
	}
}

func TestRoom(t *testing.T) {
	first := look(smallRoom(), room{}, now.Add(-2*time.Second))
	boots := smallRoom()
	boots[0].ReadBytes += 8 << 20
	boots[3].Transfer.Done += 30 << 10
	boots[4].ReadBytes += 9 << 20
	got := look(boots, first, now).frame(false, now, 150, 20, "")
	want := `
12:00:00  9 machines: 1 stalled, 1 refused, 1 slow, 2 booting, 1 warned, 1 running, 1 off, 1 never booted
` + "`bootes boot log MACHINE` tells why it stalled, and what to do" + `
   MACHINE            STAGE             FOR  USUALLY        READ     WRITTEN  REMARK
!  pc14               loader          3 min                                   loader-silent: snponly.efi was fetched, then nothing came for 45 s
?  52:54:00:00:00:99  firmware         60 s                                   unknown machine (again 3 times in 60 s)
?  pc03               loader           39 s    2.0 s                          came to loader
   pc04               firmware        4.0 s             15 KiB/s              60 KiB of 90 KiB, undionly.kpxe by TFTP
   pc07               read             19 s            4.5 MiB/s              21 MiB read; came to read
?  pc02               running        60 min                                   its disk is 92 percent full
   pc01               running        60 min              4 MiB/s              198 MiB read, 6 MiB written
   pc06               off              24 h                                   stalled at ipxe
   pc05               never booted`
	if got != want[1:] {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
	narrow := look(boots, first, now).frame(false, now, 80, 20, "")
	for _, want := range []string{"   pc04               firmware        4.0 s    15 KiB/s  60 KiB of 90 KiB, undi…\n", "   pc07               read             19 s   4.5 MiB/s  21 MiB read; came to r…\n"} {
		if !strings.Contains(narrow, want) {
			t.Errorf("80 columns: %q is not in\n%s", want, narrow)
		}
	}
}

func TestTransferRate(t *testing.T) {
	x := api.Transfer{Name: "linux", Proto: "HTTP", Began: now.Add(-10 * time.Second), Done: 80, Size: 100}
	earlier, other := x, x
	earlier.Done, other.Began, other.Done = 60, x.Began.Add(-time.Minute), 100
	for name, tt := range map[string]struct {
		x, old *api.Transfer
		want   float64
	}{
		"none": {nil, &earlier, 0}, "seen before": {&x, &earlier, 10}, "new": {&x, nil, 8}, "after another": {&x, &other, 8},
	} {
		if got := transferRate(tt.x, tt.old, now, now.Add(-2*time.Second)); got != tt.want {
			t.Errorf("%s: %v bytes a second, want %v", name, got, tt.want)
		}
	}
}

// TestRoomFitsItsScreen draws 3 and 300 machines on screens of all sizes.
func TestRoomFitsItsScreen(t *testing.T) {
	many := smallRoom()
	for i := range 300 {
		many = append(many, ended(latest(fmt.Sprint("x", i), time.Hour, recorder.StageRunning), recorder.OutcomeReplaced))
	}
	for name, boots := range map[string][]api.LatestBoot{"none": nil, "few": smallRoom()[:3], "many": many} {
		r := look(boots, room{}, now)
		for _, columns := range []int{1, 20, 80, 200} {
			for _, rows := range []int{5, 8, 24, 60} {
				lines := strings.Split(r.frame(false, now, columns, rows, ""), "\n")
				if len(lines) > rows {
					t.Errorf("%s: %d lines on a screen of %d", name, len(lines), rows)
				}
				for _, l := range lines {
					if utf8.RuneCountInString(l) > columns {
						t.Errorf("%s: %q on a screen of %d columns", name, l, columns)
					}
				}
			}
		}
	}
	got := look(many, room{}, now).frame(true, now, 100, 8, "")
	for _, want := range []string{"\x1b[1;31m!  pc14", "\x1b[33m?  52:54", "and 305 more: 1 booting, 1 warned, 1 running, 301 off, 1 never booted"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%q", want, got)
		}
	}
	got = look(nil, room{}, now).frame(false, now, 100, 8, "")
	if want := "12:00:00  no machines yet: `bootes machine add --help` shows how to add one"; !strings.HasPrefix(got, want) {
		t.Errorf("of nobody: %s", got)
	}
	got = look(many, room{}, now).frame(false, now, 100, 8, "as of 11:59:00: connect: gone")
	if want := "12:00:00  as of 11:59:00: connect: gone\n"; !strings.HasPrefix(got, want) {
		t.Errorf("without a server: %s", got)
	}
}

// TestRoomShowsWhoIsToldToBeSlow, though nothing is known of how long it usually takes.
func TestRoomShowsWhoIsToldToBeSlow(t *testing.T) {
	b := latest("pc08", 80*time.Second, recorder.StageRead)
	b.Diagnosis = &recorder.Diagnosis{Kind: "slow", Summary: "it takes far too long: at stage read for 70s"}
	got := look([]api.LatestBoot{b}, room{}, now).frame(false, now, 150, 20, "")
	for _, want := range []string{"1 machine: 1 slow", "?  pc08", "slow: it takes far too long: at stage read for 70s"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
