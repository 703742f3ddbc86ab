package metrics

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/needs"
)

var ours = regexp.MustCompile(`\b(?:bootes|etcd)_[a-z_]+`)

// documented are the metrics of docs/METRICS.md.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, name := range ours.FindAllString(cells[1], -1) {
				all[name] = true
			}
		}
	}
	return all
}

// everything is a server that has all kinds of things to tell.
func everything() *Server {
	c := NewCounters()
	c.DHCP("DISCOVER", "OFFER")
	c.Transfer("tftp", "sent", 1, time.Second)
	c.Script("made")
	c.BootEnded("running", "running", "")
	c.StageLeft("firmware", time.Second)
	return New(Options{
		Storage: full(), Refused: refused, IO: someIO, Counters: c, Version: "1",
		Room: func() (Room, error) {
			return Room{
				Booting: map[string]int{"ipxe": 1}, Sessions: map[string]int{"system": 1},
				Networks: []Network{{"10.0.0.0/24", 1, 1}}, Servers: []DHCPServer{{Interface: "eth0", Kind: "server"}},
			}, nil
		},
		Traffic: func() []Traffic { return []Traffic{{"read", 1, 1}} },
		Log:     slog.New(slog.DiscardHandler),
	})
}

func TestDocumentIsTrue(t *testing.T) {
	families, err := everything().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	told := slices.Clone(fromEtcd)
	for _, f := range families {
		if ours.MatchString(f.GetName()) {
			told = append(told, f.GetName())
		}
	}
	in := documented(t)
	for _, name := range told {
		if !in[name] {
			t.Errorf("%s is not in docs/METRICS.md", name)
		}
		delete(in, name)
	}
	for name := range in {
		t.Errorf("docs/METRICS.md has %s, which nothing tells", name)
	}
}

// promtool runs Prometheus's own tool.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	needs.Program(t, "promtool", "prometheus")
	cmd := exec.Command("promtool", args...)
	cmd.Stdin, cmd.Dir = strings.NewReader(input), "../../dist"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtool(t *testing.T) {
	_, text := scrape(t, everything())
	promtool(t, text, "check", "metrics")
	promtool(t, "", "check", "rules", "alerts.yml")
	promtool(t, "", "test", "rules", "alerts_test.yml")
	checkNames(t, "alerts.yml", read(t, "alerts.yml"))
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../dist", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// checkNames looks for metrics that nothing tells.
func checkNames(t *testing.T, where, text string) {
	t.Helper()
	known := documented(t)
	for _, name := range ours.FindAllString(text, -1) {
		base := name
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			base = strings.TrimSuffix(base, suffix)
		}
		if !known[base] {
			t.Errorf("%s asks for %s, which nothing tells", where, name)
		}
	}
}

// dashboard is what a test must know of Grafana's dashboard JSON.
type dashboard struct {
	SchemaVersion int
	Templating    struct{ List []struct{ Name string } }
	Panels        []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Targets     []struct{ Expr string }
	}
}

func TestDashboard(t *testing.T) {
	text := read(t, "grafana.json")
	var d dashboard
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	checkNames(t, "grafana.json", text)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("panel %q lies on %q, or outside", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			fmt.Fprintf(&rules, "  - record: r%d\n    expr: %q\n", rules.Len(), strings.ReplaceAll(q.Expr, "$__rate_interval", "5m"))
		}
	}
	if len(ids) < 25 || d.SchemaVersion == 0 || len(d.Templating.List) != 3 {
		t.Errorf("%d panels, schema %d, %d variables", len(ids), d.SchemaVersion, len(d.Templating.List))
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}
