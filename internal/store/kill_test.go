package store

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// TestKilled: what Update has acknowledged is there after the process was
// killed in the middle of writing.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_DIR"); dir != "" {
		writeForever(dir)
		return
	}
	o, _ := testOptions(t)
	for round := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "STORE_TEST_DIR="+o.Dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		last := ""
		lines := bufio.NewScanner(out)
		for n := 0; n < 40 && lines.Scan(); n++ {
			last = lines.Text()
		}
		cmd.Process.Kill()
		cmd.Wait()
		s := openStore(t, o)
		r, err := Of[thing](s, "things").Get(t.Context(), "n")
		var acknowledged int
		fmt.Sscan(last, &acknowledged)
		if err != nil || acknowledged == 0 || r.Value.N < acknowledged {
			t.Errorf("round %d: acknowledged %q, found %+v, %v", round, last, r, err)
		}
		closeStore(t, s)
	}
}

func writeForever(dir string) {
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: dir, ReserveBytes: 1 << 20, LowBytes: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := Of[thing](s, "things")
	for {
		var n int
		err := s.Update(ctx, func(tx *Tx) error {
			x, _ := c.In(tx).Get("n")
			n = x.N + 1
			return c.In(tx).Put("n", thing{n})
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(n)
	}
}

// TestFatal: when etcd ends the process, the log says what to do, and the
// exit code is ours.
func TestFatal(t *testing.T) {
	o, log := testOptions(t)
	var code int
	o.exit = func(c int) { code = c }
	o.setDefaults()
	var s Store
	s.quiet.Store(true)                   // even while stopping
	fatal := zapLogger(o, &s.quiet).Fatal // does return here: exit is ours
	fatal("failed to save Raft hard state and entries", zap.Error(os.ErrPermission))
	if code != exitStoreFailed || !strings.Contains(log.String(), "make room on the disk") || !strings.Contains(log.String(), o.Dir) {
		t.Errorf("exit %d, log:\n%s", code, log)
	}
}

func TestEtcdsWarningsReachTheLog(t *testing.T) {
	o, log := testOptions(t)
	o.setDefaults()
	var s Store
	zl := zapLogger(o, &s.quiet).With(zap.String("member", "x"))
	zl.Info("chatter")
	zl.Warn("simple token is not cryptographically signed")
	zl.Warn("slow fdatasync", zap.Duration("took", 1e9))
	zl.Error("bad", zap.Error(os.ErrClosed))
	s.quiet.Store(true)
	zl.Error("closing listener")
	want := []string{`level=WARN msg="slow fdatasync" from=etcd`, "took=1s", "member=x", `level=ERROR msg=bad from=etcd`, "error=\"file already closed\""}
	for _, w := range want {
		if !strings.Contains(log.String(), w) {
			t.Errorf("no %q in\n%s", w, log)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, log)
	}
}

func TestDataFolderCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: file, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}
