package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bootes.dev/internal/goals"
	"bootes.dev/internal/lab"
	"bootes.dev/internal/lab/load"
	"bootes.dev/internal/lab/site"
)

// Names and sizes of the files that are fetched.
const (
	fileName   = "words.bin"
	fileSize   = 64 << 20
	quickFile  = 1 << 20
	loaderName = "loader.bin"
	loaderSize = 256 << 10 // about that of snponly.efi
)

// fileKind is one way to fetch a file, and what is aimed at.
type fileKind struct {
	name    string
	window  int // TFTP's; 0: HTTP
	clients int
	peers   []string
	goal    float64 // least ratio to the best of them
}

var fileKinds = []fileKind{
	{"TFTP, blksize 1468, windowsize 1, one client", 1, 1, []string{"tftpd-hpa", "dnsmasq"}, 1},
	{"TFTP, blksize 1468, windowsize 16, one client", 16, 1, []string{"tftpd-hpa", "dnsmasq"}, 2},
	{"TFTP, blksize 1468, windowsize 1, 200 clients", 1, 200, []string{"tftpd-hpa"}, 1.5},
	{"TFTP, blksize 1468, windowsize 16, 200 clients", 16, 200, []string{"tftpd-hpa"}, 1.5},
	{"HTTP, one client", 0, 1, []string{"nginx"}, 0.9},
	{"HTTP, 200 clients", 0, 200, []string{"nginx"}, 0.9},
}

func (b *bench) fileSize() int64 {
	if b.Quick {
		return quickFile
	}
	return fileSize
}

// files measures how fast files go out by TFTP and HTTP, beside the servers
// that people have for that. All have the file in the page cache.
func (b *bench) files(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("/var/tmp", "bootes-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // tftpd-hpa reads as nobody
		return err
	}
	err = errors.Join(load.WriteWords(filepath.Join(dir, fileName), b.fileSize()), load.WriteWords(filepath.Join(dir, loaderName), loaderSize))
	if err != nil {
		return err
	}
	sides := map[string]*side{}
	for _, start := range []func(context.Context, *lab.Net, string) (*side, error){b.fileServer, b.tftpdHPA, b.dnsmasq, b.nginx} {
		n, err := lab.NewNet(lab.NetOptions{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, n.Close()) }()
		s, err := start(ctx, n, dir)
		if err != nil {
			return err
		}
		if s.client, err = n.NewHost(mac, clientAddr); err != nil {
			return err
		}
		sides[s.name] = s
	}
	if err := b.fileSpeed(ctx, sides); err != nil {
		return err
	}
	return b.crowd(ctx, sides)
}

// fileSpeed prints how fast files go out.
func (b *bench) fileSpeed(ctx context.Context, sides map[string]*side) error {
	t := goals.New(b.Out, fmt.Sprintf("%d MiB", b.fileSize()>>20), "Boötes", "peers", "Boötes, of the best", "CPU of Boötes, cores", "client busy", "goal")
	for _, k := range fileKinds {
		names := append([]string{ourName}, k.peers...)
		speeds, cpu, client := map[string][]float64{}, 0.0, 0.0
		for range b.speedRounds() {
			for _, name := range names {
				r, err := b.put(ctx, sides[name], k.job(b))
				if err != nil {
					return fmt.Errorf("measure %s: %w", k.name, err)
				}
				speeds[name] = append(speeds[name], float64(r.TFTP.Bytes+r.HTTP.Bytes)/r.Seconds)
				if name == ourName {
					cpu, client = r.Server.Seconds()/r.Seconds, r.Client.Seconds()/r.Seconds
				}
			}
		}
		best, cells := 0.0, []string{}
		for _, name := range k.peers {
			speed := middle(speeds[name])
			best = max(best, speed)
			cells = append(cells, fmt.Sprintf("%s %.0f MB/s", name, speed/1e6))
		}
		ratio := middle(speeds[ourName]) / best
		t.Row(ratio >= k.goal, goals.AtLeast(k.goal), k.name, fmt.Sprintf("%.0f MB/s", middle(speeds[ourName])/1e6), strings.Join(cells, ", "),
			fmt.Sprintf("%.2f", ratio), fmt.Sprintf("%.2f", cpu), fmt.Sprintf("%.0f %%", client*100))
	}
	return nil
}

func (k *fileKind) job(b *bench) load.Job {
	j := load.Job{Seconds: b.Seconds}
	if k.window == 0 {
		j.HTTP = &load.HTTP{Server: "10.77.0.1:80", Path: "/loader/" + fileName, Size: b.fileSize(), Clients: k.clients}
		return j
	}
	j.TFTP = &load.TFTP{Server: "10.77.0.1:69", Name: fileName, Size: b.fileSize(), Block: 1468, Window: k.window, Clients: k.clients}
	return j
}

// crowd has thousands of machines fetch a loader at the same moment.
func (b *bench) crowd(ctx context.Context, sides map[string]*side) error {
	t := goals.New(b.Out, fmt.Sprintf("%d KiB by TFTP, all at the same moment", loaderSize>>10), "time", "slowest", "packets that clients sent again", "most memory of Boötes", "")
	for _, clients := range b.crowds() {
		r, err := b.put(ctx, sides[ourName], load.Job{TFTP: &load.TFTP{
			Server: "10.77.0.1:69", Name: loaderName, Size: loaderSize, Block: 1468, Window: 1, Clients: clients, Once: true,
		}})
		if err != nil {
			return fmt.Errorf("have %d clients fetch at once: %w", clients, err)
		}
		t.Row(true, "", fmt.Sprintf("%d clients", clients), fmt.Sprintf("%.2f s", r.Seconds), goals.Short(r.TFTP.Max), fmt.Sprint(r.TFTP.Repeats), mib(r.TFTP.Peak))
	}
	return nil
}

func (b *bench) crowds() []int {
	if b.Quick {
		return []int{50}
	}
	return []int{1, 1000, 5000}
}

func middle(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	return s[len(s)/2]
}

const ourName = "Boötes"

// fileServer is Boötes with a folder of files.
func (b *bench) fileServer(ctx context.Context, n *lab.Net, dir string) (*side, error) {
	config, socket := n.Path("bootes.yaml"), n.Path("bootes.sock")
	text := fmt.Sprintf("data: %s\napi: {socket: %s, group: root}\nloaders: %s\ninterfaces:\n  - {name: %s, dhcp: off}\n",
		filepath.Join(dir, "data"), socket, dir, lab.Bridge)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s, err := site.Start(ctx, n, site.Options{Program: b.Program, Config: config, Socket: socket})
	if err != nil {
		return nil, err
	}
	return &side{name: ourName, pid: s.Server().Pid()}, nil
}

func (b *bench) tftpdHPA(_ context.Context, n *lab.Net, dir string) (*side, error) {
	p, err := n.Start(lab.Program{Path: "in.tftpd", Args: []string{"--listen", "--foreground", "--address", "10.77.0.1:69", "--secure", dir}})
	if err != nil {
		return nil, err
	}
	return &side{name: "tftpd-hpa", pid: p.Pid()}, nil
}

func (b *bench) dnsmasq(_ context.Context, n *lab.Net, dir string) (*side, error) {
	p, err := n.Start(lab.Program{Path: "dnsmasq", Args: []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=" + lab.Bridge, "--bind-interfaces",
		"--enable-tftp", "--tftp-root=" + dir, "--user=root", "--log-facility=-",
	}})
	if err != nil {
		return nil, err
	}
	return &side{name: "dnsmasq", pid: p.Pid()}, nil
}

const nginxConfig = `daemon off;
user root;
worker_processes auto;
pid %[1]s;
error_log stderr;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000;
	default_type application/octet-stream;
	server {
		listen 10.77.0.1:80;
		location /loader/ { alias %[2]s/; }
	}
}
`

func (b *bench) nginx(ctx context.Context, n *lab.Net, dir string) (*side, error) {
	config := n.Path("nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, n.Path("nginx.pid"), dir), 0o600); err != nil {
		return nil, err
	}
	p, err := n.Start(lab.Program{Path: "nginx", Args: []string{"-c", config}})
	if err != nil {
		return nil, err
	}
	return &side{name: "nginx", pid: p.Pid()}, nil
}
