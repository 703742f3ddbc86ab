package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/config"
	"bootes.dev/internal/netif/nettest"
)

// start runs a program until the test ends, and waits for it to have its port.
func start(t *testing.T, network string, port int, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if port == 0 {
		return
	}
	for range 100 {
		if (need{network: network, port: port}).bind() != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not listen at %s port %d", cmd, network, port)
}

func configFor(t *testing.T, mode config.Mode) *config.Config {
	cfg := config.Default()
	cfg.File, cfg.Data, cfg.Loaders = "bootes.yaml", t.TempDir(), nil
	cfg.Interfaces = []config.Interface{{Name: "br0", DHCP: mode}}
	return cfg
}

// find is the finding that has a text.
func find(t *testing.T, all []Finding, s Status, text string) Finding {
	t.Helper()
	for _, f := range all {
		if f.Status == s && strings.Contains(f.Text, text) {
			return f
		}
	}
	t.Errorf("no finding %q that says %q; there are:\n%s", s, text, lines(all))
	return Finding{}
}

// waitForLink waits until the bridge has seen that a port has come up.
func waitForLink(t *testing.T) {
	t.Helper()
	for range 100 {
		l := link{name: "br0"}
		if l.look() == nil && l.carrier {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("br0 has no link")
}

func TestSickHost(t *testing.T) {
	t.Parallel()
	nettest.Need(t, "dnsmasq", "nginx", "nft")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	dir := t.TempDir()
	start(t, "udp", 69, exec.Command("dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--user=root", "--enable-tftp", "--tftp-root="+dir,
		"--dhcp-range=10.77.0.50,10.77.0.60", "--dhcp-leasefile="+filepath.Join(dir, "leases"), "--pid-file="+filepath.Join(dir, "dnsmasq.pid")))
	conf := filepath.Join(dir, "nginx.conf")
	os.WriteFile(conf, []byte(fmt.Sprintf("daemon off; master_process off; pid %s/nginx.pid; error_log %s/log;\nevents {}\nhttp { access_log off; server { listen 80; } }\n", dir, dir)), 0o600)
	start(t, "tcp", 80, exec.Command("nginx", "-c", conf, "-p", dir))

	foreign := nettest.Join(t, "br0", "02:00:00:00:00:02", "10.77.0.2/24")
	start(t, "", 0, foreign.Command(t.Context(), "dnsmasq", "--no-daemon", "--port=0", "--conf-file=/dev/null", "--user=root", "--dhcp-boot=pxelinux.0",
		"--dhcp-range=10.77.0.70,10.77.0.80", "--dhcp-leasefile="+filepath.Join(dir, "foreign"), "--pid-file="+filepath.Join(dir, "foreign.pid")))

	waitForLink(t)
	all := Run(t.Context(), Options{Config: configFor(t, config.Server), Version: "1"})
	for _, text := range []string{
		"udp 67 (DHCP) on br0 is taken by dnsmasq (pid ", "udp 69 (TFTP) is taken by dnsmasq (pid ", "tcp 80 (HTTP) is taken by nginx (pid ",
		"10.77.0.2 on br0 gives addresses, too",
	} {
		find(t, all, Fail, text)
	}
	find(t, all, OK, "free: tcp 3260 (iSCSI)")
	find(t, all, OK, "a sync of 4 KiB takes ")

	cfg := configFor(t, config.Proxy)
	cfg.Interfaces = append(cfg.Interfaces, config.Interface{Name: "eth7", DHCP: config.Proxy})
	all = Run(t.Context(), Options{Config: cfg, Version: "1"})
	find(t, all, Warn, `10.77.0.2 on br0 gives addresses, and tells machines to boot "pxelinux.0"`)
	find(t, all, Fail, "there is no such interface")

	nettest.IP(t, "link set br0 type bridge stp_state 1") // silences the ports from now on
	find(t, judgeLink(Options{Config: cfg, Only: "br0"}.links()[0]), Warn, "it is a bridge with spanning tree: each port stays silent for 30s")
}

func TestHealthyHost(t *testing.T) {
	t.Parallel()
	nettest.Need(t, "nft")
	if !nettest.Enter(t) {
		return
	}
	nettest.Bridge(t, "br0", "10.77.0.1/24")
	nettest.Join(t, "br0", "02:00:00:00:00:02", "10.77.0.2/24")
	waitForLink(t)
	cfg := configFor(t, config.Server)
	cfg.Data = filepath.Join(cfg.Data, "bootes", "data")
	all := Run(t.Context(), Options{Config: cfg, Version: "1"})
	if Worst(all) == Fail {
		t.Errorf("nothing is wrong:\n%s", lines(all))
	}
	find(t, all, OK, "up, 10.77.0.1/24")
	find(t, all, OK, "free: udp 67 (DHCP) on br0, udp 69 (TFTP), tcp 80 (HTTP), tcp 3260 (iSCSI)")
	find(t, all, OK, "lets through what machines send")
	find(t, all, OK, "none answers on br0")
	find(t, all, OK, "will be made, on the file system of ")
	if _, err := os.Stat(filepath.Dir(cfg.Data)); err == nil {
		t.Error("the look has made a folder")
	}

	// Before anything is configured: every interface that is up.
	none := config.Default()
	none.File = "/etc/bootes/none.yaml"
	_, err := config.Load(none.File)
	all = Run(t.Context(), Options{Config: none, ConfigErr: err, Version: "1"})
	find(t, all, Warn, "there is no config file yet")
	find(t, all, OK, "udp 67 (DHCP) on br0, udp 4011 (PXE) on br0")
	find(t, all, Warn, "none answers on br0, where we give no addresses")
}
