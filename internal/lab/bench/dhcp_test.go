package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/lab/room"
)

// TestExchangeTimesAreCompared: unless a server lost exchanges, in whichever round.
func TestExchangeTimesAreCompared(t *testing.T) {
	took := func(p99 time.Duration, lost int) room.Figures {
		return room.Figures{Begun: 5000, Done: 5000 - lost, P50: time.Millisecond, P99: p99}
	}
	const ms = time.Millisecond
	quick, slow := []room.Figures{took(9*ms, 0), took(2*ms, 0), took(ms, 0)}, []room.Figures{took(7*ms, 0), took(4*ms, 0), took(5*ms, 0)}
	lossy := []room.Figures{took(2*ms, 0), took(2*ms, 16), took(2*ms, 0)}
	few := []room.Figures{took(2*ms, 5), took(2*ms, 5), took(2*ms, 5)}
	for name, tt := range map[string]struct {
		ours, kea []room.Figures
		want      []string
	}{
		"quicker":  {quick, slow, []string{"| a | 1ms | 2ms | 0 of 15000 | 0.40 | ≤ 2.00 | met |", "| b | 1ms | 5ms | 0 of 15000 |  |  |  |"}},
		"slower":   {slow, quick, []string{"| a | 1ms | 5ms | 0 of 15000 | 2.50 | ≤ 2.00 | **missed** |"}},
		"we lose":  {lossy, slow, []string{"| a | 1ms | 2ms | 16 of 15000 |  | ≤ 2.00; not compared: too many were lost | **missed** |"}},
		"Kea does": {quick, lossy, []string{"| a | 1ms | 2ms | 0 of 15000 |  | ≤ 2.00; not compared: too many were lost | **missed** |"}},
		"a few":    {few, slow, []string{"| a | 1ms | 2ms | 15 of 15000 | 0.40 | ≤ 2.00 | met |"}},
	} {
		var out bytes.Buffer
		b := &bench{Options: Options{Out: &out}}
		b.printTimes([]dhcpSide{{name: "a"}, {name: "b"}}, [][]room.Figures{tt.ours, tt.kea}, 2500)
		for _, want := range append(tt.want, "| one exchange, at 2500 a second |") {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, out.String())
			}
		}
	}
}

// TestBestRatesAreCompared: with as many servers as were measured.
func TestBestRatesAreCompared(t *testing.T) {
	sides := []dhcpSide{{name: "Boötes"}, {name: "Kea"}, {name: "dnsmasq"}}
	for n, want := range map[int]string{2: "| Kea | 5000 | 1.60 | ≥ 1.00 | met |", 3: "| dnsmasq | 1000 | 8.00 | ≥ 10.00 | **missed** |"} {
		var out bytes.Buffer
		(&bench{Options: Options{Out: &out}}).printRates(sides[:n], []float64{8000, 5000, 1000}[:n])
		if !strings.HasSuffix(out.String(), want+"\n") {
			t.Errorf("no %q at the end of\n%s", want, out.String())
		}
	}
}
