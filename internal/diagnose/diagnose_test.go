package diagnose

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/recorder"
)

var update = flag.Bool("update", false, "write testdata anew")

// render is a diagnosis as a test's file holds it.
func render(d recorder.Diagnosis) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.Kind, d.Summary)
	for _, e := range d.Evidence {
		fmt.Fprintf(&b, "  seen: %s\n", e)
	}
	for i, c := range d.Causes {
		fmt.Fprintf(&b, "  %d. %s\n     -> %s\n", i+1, c.Text, c.Remedy)
	}
	return b.String()
}

// TestEveryText holds each diagnosis against testdata: one file per case, to be
// read as a person would at two in the morning.
func TestEveryText(t *testing.T) {
	told := map[string]bool{}
	for name, c := range cases() {
		t.Run(name, func(t *testing.T) {
			d := Diagnose(c)
			told[d.Kind] = true
			if text := render(d); strings.Contains(text, "%!") || strings.Contains(text, "invalid IP") {
				t.Errorf("not well written:\n%s", text)
			}
			if kind, _, _ := strings.Cut(name, "_"); d.Kind != kind {
				t.Errorf("kind %s, want %s", d.Kind, kind)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(render(d)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := render(d); got != string(want) {
				t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
			}
		})
	}
	for _, k := range Kinds {
		if !told[k.Name] {
			t.Errorf("no case is a %s", k.Name)
		}
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) != len(cases()) {
		t.Errorf("%d files in testdata for %d cases, %v", len(files), len(cases()), err)
	}
}

// TestNothingKnown: a case in which hardly anything was seen has a diagnosis,
// too, and one that can be acted on.
func TestNothingKnown(t *testing.T) {
	for _, st := range []recorder.Stage{"", recorder.StageFirmware, recorder.StageLoader, recorder.StageIPXE, recorder.StageScript,
		recorder.StageLogin, recorder.StageRead, recorder.StageKernel, recorder.StageRunning} {
		d := Diagnose(Case{Stage: st, Subject: "pc1", Known: true, Silent: time.Minute})
		if d.Summary == "" || len(d.Causes) == 0 {
			t.Errorf("at %q: %+v", st, d)
		}
		for _, c := range d.Causes {
			if c.Text == "" || c.Remedy == "" {
				t.Errorf("at %q: a cause is %+v", st, c)
			}
		}
	}
}

func TestConclusive(t *testing.T) {
	want := map[string]bool{
		"unknown-machine": true, "unknown-machine_mistyped": true, "no-loader-for-firmware": true, "pool-exhausted": true, "pool-exhausted_one": true, "pool-exhausted_many": true, "pool-exhausted_ipxe": true,
		"login-refused_rule": true, "login-refused_secret": true, "login-refused_account": true, "login-refused_mutual": true,
		"login-refused_nochap": true, "login-refused_impostor": true, "login-refused_nodisk": true, "login-refused_protocol": true, "login-refused_open": true,
		"login-refused_system": true, "not-bootable_left": true, "no-system-login_left": true, "script-refused_remedy": true,
		"system-gone_ping": true, "system-gone_fstab-off": true, "system-gone_off": true, "system-gone_network": true, "system-gone_down": true, "system-gone_firewall": true, "loader-loop_chain": true, "disk-full_clone": true,
	}
	for name, c := range cases() {
		if got := Conclusive(c); got != want[name] {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTelling(t *testing.T) {
	for name, want := range map[string]bool{
		"no-login": true, "script-not-fetched": true, "no-read": true, "no-system-login": false, "not-bootable_left": true,
		"login-refused_system": true, "loader-silent": false, "system-gone": false,
	} {
		if got := Telling(cases()[name]); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	quick := cases()["no-login"]
	if quick.Silent = time.Second; Telling(quick) {
		t.Error("switched off within a second of its script")
	}
	kernel := cases()["no-system-login"]
	kernel.System.Left, kernel.System.Asked = true, true
	if kernel.Silent = 3 * time.Second; Telling(kernel) {
		t.Error("reset three seconds after its system had asked for an address")
	}
	if kernel.Silent = still; !Telling(kernel) {
		t.Error("it had stood still")
	}
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds {
		if k.Name == "" || k.Meaning == "" || seen[k.Name] || strings.ContainsAny(k.Name, " _") {
			t.Errorf("kind %+v", k)
		}
		seen[k.Name] = true
	}
}

func TestPatience(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		stage recorder.Stage
		usual recorder.Usual
		want  time.Duration
	}{
		{recorder.StageLoader, recorder.Usual{}, 45 * s},
		{recorder.StageLoader, recorder.Usual{Boots: 2, Median: s, Slowest: s}, 45 * s},
		{recorder.StageLoader, recorder.Usual{Boots: 3, Median: s, Slowest: 2 * s}, 20 * s},
		{recorder.StageLoader, recorder.Usual{Boots: 3, Median: 15 * s, Slowest: 20 * s}, 45 * s},
		{recorder.StageLoader, recorder.Usual{Boots: 3, Median: 10 * s, Slowest: 60 * s}, 90 * s},
		{recorder.StageLoader, recorder.Usual{Boots: 9, Median: 100 * s, Slowest: 200 * s}, 120 * s},
		{recorder.StageRunning, recorder.Usual{}, 120 * s},
		{"", recorder.Usual{}, 0},
	} {
		if got := Patience(tt.stage, tt.usual); got != tt.want {
			t.Errorf("at %s, usually %+v: %s, want %s", tt.stage, tt.usual, got, tt.want)
		}
	}
}

func TestSince(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1234 * time.Microsecond: "1ms", 1234 * time.Millisecond: "1.2s", 45300 * time.Millisecond: "45s",
		150 * time.Second: "2m30s", 2 * time.Minute: "2m", 70 * time.Second: "1m10s", 3 * time.Hour: "3h0m",
	} {
		if got := since(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}
