//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"bootes.dev/internal/lab"
)

// TestReadme follows the README's walk-through for a real network, command by
// command, on a computer in the lab whose folders are copies of this one's: a
// server beside a DHCP server that was there before, and one machine.
func TestReadme(t *testing.T) {
	t.Parallel()
	lab.Require(t, "dnsmasq", "ssh", "ssh-keygen", "unshare", "nsenter", "mmdebstrap")
	n := lab.New(t, lab.NetOptions{})
	if _, err := n.Start(lab.Program{Path: "dnsmasq", Args: []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=" + lab.Bridge, "--bind-dynamic",
		"--dhcp-range=10.77.0.50,10.77.0.50,1h", "--dhcp-authoritative", "--leasefile-ro", "--user=root",
	}}); err != nil {
		t.Fatal(err)
	}
	r := newReader(t, n)
	for _, line := range walkThrough(t) {
		t.Log("# " + line)
		r.follow(line)
	}

	pc, err := n.StartGuest(t.Context(), lab.GuestOptions{Name: "pc01", MAC: "52:54:00:12:34:56", Firmware: lab.UEFI})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bootTime)
	defer cancel()
	if err := lab.WaitLogin(ctx, pc); err != nil {
		t.Fatal(err)
	}
	out, err := n.Run(ctx, "ssh", "-i", filepath.Join(r.home, ".ssh/id_ed25519"), "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@10.77.0.50", "hostname")
	if err != nil || strings.TrimSpace(string(out)) != "pc01" {
		t.Errorf("ssh root@pc01 hostname: %q, %v", out, err)
	}
	if out := r.run("bootes boot log pc01"); !strings.Contains(out, "takes address 10.77.0.50 from DHCP server 10.77.0.1") {
		t.Errorf("boot log pc01:\n%s", out)
	}
}

var shBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// walkThrough returns the commands of the README's section for a real network.
func walkThrough(t *testing.T) (lines []string) {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(b), "\n## Use it")
	section, _, more := strings.Cut(section, "\n## ")
	for _, m := range shBlock.FindAllStringSubmatch(section, -1) {
		lines = append(lines, strings.Split(strings.TrimSpace(m[1]), "\n")...)
	}
	if !found || !more || len(lines) < 10 {
		t.Fatalf("the README's walk-through has only %d commands", len(lines))
	}
	return lines
}

// readmeReader is who follows the README: root on a computer of the lab.
type readmeReader struct {
	t     *testing.T
	host  *lab.Host
	mount string // the mount namespace of its folders
	home  string
}

// ownFolders makes copies, by overlay, of the folders that the walk-through
// changes. What it has apt install is there, and stays as old as it is.
const ownFolders = `set -e
mount -t tmpfs tmpfs "$1"
for dir in /etc /usr/local/bin; do
	mkdir -p "$1/up$dir" "$1/work$dir"
	mount -t overlay overlay -o "lowerdir=$dir,upperdir=$1/up$dir,workdir=$1/work$dir" "$dir"
done
echo 'APT::Get::Upgrade "false";' > /etc/apt/apt.conf.d/99no-upgrade
mkdir -p /var/lib/bootes /run/bootes
mount --bind "$2" /var/lib/bootes
mount -t tmpfs tmpfs /run/bootes
echo ready
exec sleep infinity`

func newReader(t *testing.T, n *lab.Net) *readmeReader {
	t.Helper()
	host, err := n.NewHost("52:54:00:00:00:02", netip.MustParseAddr("10.77.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	r := &readmeReader{t: t, host: host, home: t.TempDir()}
	holder := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", ownFolders, "sh", t.TempDir(), t.TempDir())
	holder.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	holder.Stderr = os.Stderr
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-holder.Process.Pid, syscall.SIGKILL)
		_ = holder.Wait()
		_ = os.Remove("/run/bootes") // only if they are empty
		_ = os.Remove("/var/lib/bootes")
	})
	if _, err := fmt.Fscan(out, new(string)); err != nil {
		t.Fatalf("own folders: %v", err)
	}
	r.mount = fmt.Sprintf("--mount=/proc/%d/ns/mnt", holder.Process.Pid)
	r.run("mkdir -m 700 $HOME/.ssh && ssh-keygen -q -t ed25519 -N '' -f $HOME/.ssh/id_ed25519")
	return r
}

// follow does what the README says. There is no systemd in the lab: what it
// would start is started as its unit says.
func (r *readmeReader) follow(line string) {
	r.t.Helper()
	switch {
	case line == "systemctl daemon-reload":
	case strings.HasPrefix(line, "systemctl enable --now "):
		r.start("/etc/systemd/system/" + strings.Fields(line)[3] + ".service")
	case line == "bootes boot watch":
		r.run("timeout --preserve-status 1 " + line)
	default:
		r.run(line)
	}
}

// run runs a command in the reader's folders, in the repository.
func (r *readmeReader) run(line string) string {
	r.t.Helper()
	wd, err := filepath.Abs("..")
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), "nsenter", r.mount, "--wd="+wd, "sh", "-ec", line)
	cmd.Env = append(os.Environ(), "HOME="+r.home, "GOCACHE="+goEnv(r.t, "GOCACHE"), "GOMODCACHE="+goEnv(r.t, "GOMODCACHE"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

var execStart = regexp.MustCompile(`(?m)^ExecStart=(.*)$`)

// start starts a unit's program on the reader's computer, as systemd would: as
// the unit's user, with its capabilities, and with folders of its own.
func (r *readmeReader) start(unit string) {
	r.t.Helper()
	text := r.run("cat " + unit)
	m := execStart.FindStringSubmatch(text)
	if m == nil {
		r.t.Fatalf("%s starts nothing", unit)
	}
	r.run("chown bootes: /var/lib/bootes /run/bootes && chmod 700 /var/lib/bootes && chmod 755 /run/bootes")
	line := append([]string{r.mount}, rightsOf(r.t, text, "bootes")...)
	if _, err := r.host.Start(lab.Program{Path: "nsenter", Args: append(line, strings.Fields(m[1])...), Log: "bootes.log"}); err != nil {
		r.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if exec.Command("nsenter", r.mount, "/usr/local/bin/bootes", "machine", "list").Run() == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal("the server does not answer")
		}
	}
}
