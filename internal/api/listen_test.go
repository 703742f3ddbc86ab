package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"

	"bootes.dev/internal/needs"
)

func listen(t *testing.T, path, group string) net.Listener {
	t.Helper()
	l, err := Listen(path, group)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestListenMakesTheSocketForItsGroup(t *testing.T) {
	needs.Root(t, "give the socket to a group")
	path := filepath.Join(t.TempDir(), "new", "api.sock")
	l := listen(t, path, "daemon")
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if gid := st.Sys().(*syscall.Stat_t).Gid; st.Mode() != os.ModeSocket|0o660 || gid != 1 {
		t.Errorf("mode %v, group %d", st.Mode(), gid)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket outlives its listener: %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	listen(t, path, "") // and again
}

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "api.sock")
	_, err := Listen(path, "no-such-group")
	want := fmt.Sprintf("open API socket %q: the group \"no-such-group\" does not exist: create it with `groupadd --system no-such-group`, "+
		"or set api.group in the config (root lets in root alone)", path)
	if err == nil || err.Error() != want {
		t.Errorf("unknown group:\ngot  %v\nwant %s", err, want)
	}

	l := listen(t, path, "")
	_, err = Listen(path, "")
	want = fmt.Sprintf("open API socket %q: another server has it: the server with process id %d; stop it first, or give this one its own api.socket", path, os.Getpid())
	if !errors.Is(err, ErrInUse) || err.Error() != want {
		t.Errorf("second server:\ngot  %v\nwant %s", err, want)
	}
	l.Close()

	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Listen(path, "")
	want = fmt.Sprintf("open API socket %q: something that is no socket is in its place: remove it, or change api.socket in the config", path)
	if err == nil || err.Error() != want {
		t.Errorf("a file in its place:\ngot  %v\nwant %s", err, want)
	}
	if b, err := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file was harmed: %q, %v", b, err)
	}
	os.Remove(path)

	foreign, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	_, err = Listen(path, "")
	want = fmt.Sprintf("open API socket %q: another server has it, one that is no Boötes; stop it first, or change api.socket in the config", path)
	if !errors.Is(err, ErrInUse) || err.Error() != want {
		t.Errorf("a foreign server:\ngot  %v\nwant %s", err, want)
	}
	if _, err := net.Dial("unix", path); err != nil {
		t.Errorf("the foreign server was harmed: %v", err)
	}
	if _, err := Listen(filepath.Join(dir, "file", "x"), ""); err != nil {
		t.Errorf("a folder that must be made: %v", err)
	}
}

func TestListenTakesOverFromTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil { // killed in mid-start
		t.Fatal(err)
	}
	listen(t, path, "")
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "api.sock")
	status := func() string {
		_, err := NewClient(path).Status(t.Context())
		var u *Unreachable
		if !errors.As(err, &u) {
			t.Errorf("got %T %v", err, err)
		}
		return fmt.Sprint(err)
	}
	want := "no server at " + path + ": start one with `bootes serve` (as root), or name another's socket with --socket or BOOTES_SOCKET"
	if got := status(); got != want {
		t.Errorf("no socket:\ngot  %s\nwant %s", got, want)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	go func() { // hears one request, and hangs up
		if c, err := dead.Accept(); err == nil {
			c.Read(make([]byte, 4096))
			c.Close()
		}
		dead.Close()
	}()
	want = "the server at " + path + " did not finish its answer: EOF; its log tells more"
	if got := status(); got != want {
		t.Errorf("a server that hangs up:\ngot  %s\nwant %s", got, want)
	}
	for { // until its socket is closed, for good
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		c.Close()
	}
	want = "no server at " + path + ": the one that made this socket has ended; start it again with `bootes serve` (as root)"
	if got := status(); got != want {
		t.Errorf("a dead server:\ngot  %s\nwant %s", got, want)
	}
}

// stranger is this test binary, run as a user who is not root: it makes one
// call and prints the error.
func stranger() {
	c := NewClient(os.Getenv("API_TEST_SOCKET"))
	var err error
	switch os.Getenv("API_TEST_STRANGER") {
	case "status":
		_, err = c.Status(context.Background())
	case "path":
		err = c.call(context.Background(), http.MethodPost, "/v1/images", ImportRequest{Ref: "a:1", Source: "/etc/shadow"}, nil)
	}
	fmt.Print(err)
}

func TestStrangers(t *testing.T) {
	needs.Root(t, "become another user")
	c, _ := serve(t, newFake()) // whose ImportImage would panic
	for dir := filepath.Dir(c.socket); dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	as := func(what string, gid uint32) string {
		t.Helper()
		self, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		exe := filepath.Join(filepath.Dir(c.socket), "stranger")
		if err := os.WriteFile(exe, self, 0o755); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd := exec.Command(exe)
		cmd.Env = []string{"API_TEST_STRANGER=" + what, "API_TEST_SOCKET=" + c.socket}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: gid}}
		cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &out, "/"
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
		return out.String()
	}
	want := "no permission to use the server at " + c.socket + ": only root may; to let in others, set api.group in the server's config"
	if got := as("status", 65534); got != want {
		t.Errorf("a user outside:\ngot  %s\nwant %s", got, want)
	}
	if err := os.Chown(c.socket, -1, 1); err != nil {
		t.Fatal(err)
	}
	want = "no permission to use the server at " + c.socket + ": be root or a member of group daemon (`usermod -aG daemon YOU`, then log in again)"
	if got := as("status", 65534); got != want {
		t.Errorf("a user outside the group:\ngot  %s\nwant %s", got, want)
	}
	if got := as("status", 1); got != "<nil>" {
		t.Errorf("a member: %s", got)
	}
	want = "import \"/etc/shadow\": only root may name a path for the server to open; `bootes image import` passes the open file instead"
	if got := as("path", 1); got != want {
		t.Errorf("a member names a path:\ngot  %s\nwant %s", got, want)
	}
}

func TestSocketForAGroupThatTheServerIsNotIn(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	want := "give it to group root: permission denied: this server runs as user " + me.Username + ", which is no member: usermod -aG root " + me.Username +
		", or set api.group in the config to a group of its own"
	if err := notMember(0, &os.PathError{Op: "chown", Path: "x", Err: syscall.EPERM}); err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	other := errors.New("another error")
	if err := notMember(0, other); err != other {
		t.Errorf("%v", err)
	}
}
