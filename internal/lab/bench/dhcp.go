package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"bootes.dev/internal/goals"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/room"
	"bootes.dev/internal/lab/site"
)

var (
	dhcpServer = netip.MustParsePrefix("10.77.0.1/16")
	dhcpClient = netip.MustParseAddr("10.77.0.9")
)

const (
	dhcpRange   = "10.77.1.0-10.77.255.250"
	dhcpClients = 60000
	// mayLose is how many in so many exchanges a server may leave without an ACK
	// and still be compared: those that it keeps are the quick ones.
	mayLose = 1000
)

// dhcpSide is a DHCP server and how it is started.
type dhcpSide struct {
	name  string
	start func(ctx context.Context, n *lab.Net, dir string) error
	rates []int // exchanges a second that are asked of it
}

// dhcp measures exchanges a second, what one of them takes, and rooms of
// machines that are switched on at once.
func (b *bench) dhcp(ctx context.Context) (err error) {
	ours := dhcpSide{"Boötes", b.startDHCP, []int{4000, 6000, 8000, 10000, 12000, 16000}}
	kea := dhcpSide{"Kea, memfile", startKea, ours.rates}
	dnsmasq := dhcpSide{"dnsmasq, no-ping", startDnsmasq, []int{100, 200, 300, 400, 600}}
	// All folders go at the end: what a file system frees delays the next one's syncs.
	if b.dir, err = os.MkdirTemp("/var/tmp", "bootes-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	rates, times := b.measures("exchange rates"), b.measures("exchange times")
	if rates || times {
		sides := []dhcpSide{ours, kea}
		if rates {
			sides = append(sides, dnsmasq)
		}
		best, err := b.exchangeRates(ctx, sides)
		if err != nil {
			return err
		}
		b.printRates(sides, best)
		if times {
			// Half of what the slower can do is within what either can.
			if err := b.exchangeTimes(ctx, sides[:2], int(min(best[0], best[1])/2)); err != nil {
				return err
			}
		}
	}
	if !b.measures("rooms") {
		return nil
	}
	return b.rooms(ctx, []int{10, 100, 1000})
}

// measures reports whether a part is wanted.
func (b *bench) measures(part string) bool { return b.Parts == nil || b.Parts.MatchString(part) }

// inLab calls f in a network with a server and a computer for the clients, with
// nothing left for the disk to write.
func (b *bench) inLab(ctx context.Context, s dhcpSide, f func(client *lab.Host) error) (err error) {
	dir, err := os.MkdirTemp(b.dir, "lab-")
	if err != nil {
		return err
	}
	unix.Sync()
	n, err := lab.NewNet(lab.NetOptions{Server: dhcpServer})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	client, err := n.NewHost(mac, dhcpClient)
	if err != nil {
		return err
	}
	if err := s.start(ctx, n, dir); err != nil {
		return err
	}
	for { // perfdhcp does not wait for ARP, nor for servers
		r, err := b.exchange(ctx, client, 50, 0.1)
		if err == nil && r.Done > 0 {
			break
		}
		if ctx.Err() != nil || err != nil {
			return errors.Join(err, ctx.Err())
		}
	}
	return f(client)
}

// exchangeRates is the best rate of each side; the median of the rounds.
func (b *bench) exchangeRates(ctx context.Context, sides []dhcpSide) ([]float64, error) {
	rates := make([][]float64, len(sides))
	for round := range b.speedRounds() {
		for i, s := range sides {
			fmt.Fprintf(b.Say, "DHCP exchange rates, round %d of %d: %s\n", round+1, b.speedRounds(), s.name)
			var best float64
			err := b.inLab(ctx, s, func(client *lab.Host) error {
				for _, rate := range s.rates {
					got, err := perfdhcp(ctx, client, rate, b.Seconds)
					if err != nil {
						return err
					}
					best = max(best, got)
				}
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("measure %s: %w", s.name, err)
			}
			rates[i] = append(rates[i], best)
		}
	}
	best := make([]float64, len(sides))
	for i, all := range rates {
		slices.Sort(all)
		best[i] = all[len(all)/2]
	}
	return best, nil
}

// printRates prints the best rates, ours first.
func (b *bench) printRates(sides []dhcpSide, best []float64) {
	t := goals.New(b.Out, "server", "DISCOVER–ACK exchanges a second, best rate", "Boötes / it", "goal")
	t.Row(true, "", sides[0].name+", every lease synced before its ACK", fmt.Sprintf("%.0f", best[0]), "")
	for i, goal := range []float64{1, 10}[:len(sides)-1] {
		ratio := best[0] / best[i+1]
		t.Row(ratio >= goal, goals.AtLeast(goal), sides[i+1].name, fmt.Sprintf("%.0f", best[i+1]), fmt.Sprintf("%.2f", ratio))
	}
}

var exchangeRate = regexp.MustCompile(`Rate: ([0-9.e+]+) 4-way`)

// perfdhcp waits for the last answers for 50 ms, which it counts as time.
func perfdhcp(ctx context.Context, client *lab.Host, rate int, seconds float64) (float64, error) {
	// It ends with an error if packets were lost, which most rates are for.
	out, err := client.Run(ctx, "perfdhcp", "-4", "-r", strconv.Itoa(rate), "-R", strconv.Itoa(dhcpClients),
		"-p", strconv.Itoa(int(max(seconds, 1))), "-W", "50000", "-l", "eth0", dhcpServer.Addr().String())
	m := exchangeRate.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("perfdhcp: %w: %s", err, out)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

func (b *bench) exchange(ctx context.Context, client *lab.Host, rate int, seconds float64) (f room.Figures, err error) {
	return f, b.ask(ctx, client, &f, "exchange", room.Load{
		Server: dhcpServer.Addr(), Relay: dhcpClient, Rate: rate, Seconds: seconds, Clients: dhcpClients,
	})
}

// ask has a process of its own on a client do something.
func (b *bench) ask(ctx context.Context, client *lab.Host, into any, command string, options any) error {
	o, err := json.Marshal(options)
	if err != nil {
		return err
	}
	out, err := client.Run(ctx, b.Lab, command, string(o))
	if err != nil {
		return err
	}
	return json.Unmarshal(out, into)
}

// exchangeTimes measures two servers, ours first, in turn at the same rate.
func (b *bench) exchangeTimes(ctx context.Context, sides []dhcpSide, rate int) error {
	all := make([][]room.Figures, len(sides))
	for round := range b.speedRounds() {
		for i, s := range sides {
			fmt.Fprintf(b.Say, "DHCP exchange times at %d a second, round %d of %d: %s\n", rate, round+1, b.speedRounds(), s.name)
			err := b.inLab(ctx, s, func(client *lab.Host) error {
				f, err := b.exchange(ctx, client, rate, 2*b.Seconds)
				all[i] = append(all[i], f)
				fmt.Fprintf(b.Say, "  p50 %v, p99 %v, longest %v, lost %d\n", f.P50, f.P99, f.Max, f.Begun-f.Done)
				return err
			})
			if err != nil {
				return fmt.Errorf("measure %s: %w", s.name, err)
			}
		}
	}
	b.printTimes(sides, all, rate)
	return nil
}

// printTimes prints the round with the median p99 of each server. They are not
// compared if one of them lost exchanges.
func (b *bench) printTimes(sides []dhcpSide, all [][]room.Figures, rate int) {
	const goal = 2
	t := goals.New(b.Out, fmt.Sprintf("one exchange, at %d a second", rate), "p50", "p99", "lost, of all rounds", "p99 / Kea's", "goal")
	var typical [2]room.Figures
	var lost, begun [2]int
	fair := true
	for i, rounds := range all {
		slices.SortFunc(rounds, func(a, b room.Figures) int { return cmp.Compare(a.P99, b.P99) })
		typical[i] = rounds[len(rounds)/2]
		for _, f := range rounds {
			lost[i], begun[i] = lost[i]+f.Begun-f.Done, begun[i]+f.Begun
		}
		fair = fair && lost[i]*mayLose <= begun[i]
	}
	ratio := typical[0].P99.Seconds() / typical[1].P99.Seconds()
	verdict, ofKea := goals.AtMost(goal), fmt.Sprintf("%.2f", ratio)
	if !fair {
		verdict, ofKea = goals.AtMost(goal)+"; not compared: too many were lost", ""
	}
	for i, s := range sides {
		f := typical[i]
		t.Row(fair && ratio <= goal, verdict, s.name, goals.Short(f.P50), goals.Short(f.P99), fmt.Sprintf("%d of %d", lost[i], begun[i]), ofKea)
		verdict, ofKea = "", ""
	}
}

// rooms switches on more and more machines at once, and waits for their scripts.
func (b *bench) rooms(ctx context.Context, sizes []int) error {
	if b.Quick {
		sizes = []int{2, 5}
	}
	t := goals.New(b.Out, "machines at once", "with their script", "all leased after", "all scripts after", "p50", "p99", "time per machine", "goal")
	for _, size := range sizes {
		fmt.Fprintf(b.Say, "a room of %d machines\n", size)
		var r room.Report
		add := func(ctx context.Context, n *lab.Net, dir string) error { return b.startRoom(ctx, n, dir, size) }
		err := b.inLab(ctx, dhcpSide{name: "Boötes", start: add}, func(client *lab.Host) error {
			return b.ask(ctx, client, &r, "room", room.Options{Card: "eth0", Server: dhcpServer.Addr(), Machines: size})
		})
		if err != nil {
			return fmt.Errorf("boot a room of %d: %w", size, err)
		}
		t.Row(r.Booted == size, "every machine", fmt.Sprint(size), fmt.Sprint(r.Booted), goals.Short(r.Leased), goals.Short(r.Took), goals.Short(r.P50), goals.Short(r.P99),
			goals.Short(r.Took/time.Duration(size)))
		for _, f := range r.Faults {
			fmt.Fprintln(b.Out, "a machine failed:", f)
		}
	}
	return nil
}

func (b *bench) startDHCP(ctx context.Context, n *lab.Net, dir string) error {
	_, err := b.startSite(ctx, n, dir)
	return err
}

func (b *bench) startSite(ctx context.Context, n *lab.Net, dir string) (*site.Site, error) {
	config, socket := n.Path("bootes.yaml"), n.Path("bootes.sock")
	text := fmt.Sprintf("data: %s\napi: {socket: %s, group: root}\ninterfaces:\n"+
		"  - {name: %s, dhcp: server, range: %s, serve_unknown: true, conflicts: off, lease: 1h}\n", filepath.Join(dir, "data"), socket, lab.Bridge, dhcpRange)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return site.Start(ctx, n, site.Options{Program: b.Program, Config: config, Socket: socket})
}

// startRoom starts Boötes with machines that boot an empty disk.
func (b *bench) startRoom(ctx context.Context, n *lab.Net, dir string, machines int) error {
	s, err := b.startSite(ctx, n, dir)
	if err != nil {
		return err
	}
	disk := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(disk, make([]byte, 1<<20), 0o600); err != nil {
		return err
	}
	if _, err := s.CLI(ctx, "image", "import", imageRef, disk); err != nil {
		return err
	}
	var adding errgroup.Group
	adding.SetLimit(4)
	for i := range machines {
		adding.Go(func() error {
			_, err := s.CLI(ctx, "machine", "add", fmt.Sprintf("pc%04d", i), "--mac", room.MAC(i), "--image", imageRef, "--ephemeral")
			return err
		})
	}
	return adding.Wait()
}

func startKea(_ context.Context, n *lab.Net, dir string) error {
	text, err := json.Marshal(map[string]any{"Dhcp4": map[string]any{
		"interfaces-config": map[string]any{"interfaces": []string{lab.Bridge}},
		"lease-database":    map[string]any{"type": "memfile", "name": filepath.Join(dir, "leases.csv"), "lfc-interval": 0},
		"multi-threading":   map[string]any{"enable-multi-threading": true, "thread-pool-size": 2},
		"valid-lifetime":    3600,
		"subnet4":           []any{map[string]any{"subnet": dhcpServer.Masked().String(), "pools": []any{map[string]any{"pool": dhcpRange}}}},
	}})
	if err != nil {
		return err
	}
	config := filepath.Join(dir, "kea.conf")
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return err
	}
	_, err = n.Start(lab.Program{Path: "kea-dhcp4", Args: []string{"-c", config}, Env: []string{"KEA_LOCKFILE_DIR=" + dir, "KEA_PIDFILE_DIR=" + dir}})
	return err
}

func startDnsmasq(_ context.Context, n *lab.Net, dir string) error {
	_, err := n.Start(lab.Program{Path: "dnsmasq", Args: []string{
		"--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--user=root", "--interface=" + lab.Bridge, "--bind-interfaces",
		"--dhcp-range=10.77.1.0,10.77.255.250,1h", "--dhcp-leasefile=" + filepath.Join(dir, "leases"), "--no-ping",
		"--dhcp-lease-max=70000", "--dhcp-authoritative", "--pid-file",
	}})
	return err
}
