package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func record(t *testing.T, l *Ledger[thing], changes ...Change[thing]) {
	t.Helper()
	if err := l.Append(changes...).Wait(); err != nil {
		t.Fatal(err)
	}
}

func wantLedger(t *testing.T, l *Ledger[thing], want string) {
	t.Helper()
	recs, err := l.List(t.Context())
	got := ""
	for _, r := range recs {
		got += fmt.Sprint(r.Key, "=", r.Value.N, " ")
	}
	if strings.TrimSpace(got) != want || err != nil {
		t.Errorf("the ledger has %q, %v, want %q", got, err, want)
	}
}

func TestLedger(t *testing.T) {
	o, _ := testOptions(t)
	syncs := 0
	o.Synced = func(took time.Duration) {
		if took > 0 {
			syncs++
		}
	}
	s := openStore(t, o)
	l := LedgerOf[thing](s, "things")
	wantLedger(t, l, "")
	record(t, l, Change[thing]{"b", &thing{1}}, Change[thing]{"a", &thing{1}})
	record(t, l, Change[thing]{"b", &thing{2}})
	wantLedger(t, l, "a=1 b=2")
	if syncs != 2 {
		t.Errorf("told of %d syncs", syncs)
	}
	record(t, l, Change[thing]{"a", nil}, Change[thing]{"c", &thing{3}})
	eventually(t, "etcd has it", func() bool {
		_, err := Of[thing](s, "things").Get(t.Context(), "c")
		return err == nil
	})
	wantLedger(t, l, "b=2 c=3")
	for i := range maxTxnOps + 1 { // more than one transaction of etcd's
		record(t, l, Change[thing]{fmt.Sprintf("n%04d", i), &thing{i}})
	}
	if recs, err := l.List(t.Context()); len(recs) != maxTxnOps+3 || err != nil {
		t.Errorf("%d records, %v", len(recs), err)
	}
	record(t, l, Change[thing]{"b", nil})
	closeStore(t, s)
	if files, _ := filepath.Glob(filepath.Join(o.Dir, journalFolder, "*")); len(files) != 0 {
		t.Errorf("a store that was closed leaves %q", files)
	}
	if err := l.Append(Change[thing]{"b", nil}).Wait(); !errors.Is(err, ErrClosed) {
		t.Errorf("after its end: %v", err)
	}
	s = openStore(t, o)
	if _, err := Of[thing](s, "things").Get(t.Context(), "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("removed before the end, and then %v", err)
	}
}

// TestLedgerIsWhole: what is on its way from the journal to etcd is in one of them.
func TestLedgerIsWhole(t *testing.T) {
	o, _ := testOptions(t)
	l := LedgerOf[thing](openStore(t, o), "things")
	for n := range 1000 {
		record(t, l, Change[thing]{"a", &thing{n}})
		wantLedger(t, l, fmt.Sprint("a=", n))
		if t.Failed() {
			return
		}
	}
}

// TestStaleJournal: a file that should have gone brings nothing back.
func TestStaleJournal(t *testing.T) {
	o, _ := testOptions(t)
	s := openStore(t, o)
	l := LedgerOf[thing](s, "things")
	record(t, l, Change[thing]{"a", &thing{1}}, Change[thing]{"b", &thing{1}})
	file := s.journal.files(t)[0]
	stale, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	record(t, l, Change[thing]{"a", &thing{2}}, Change[thing]{"b", nil})
	closeStore(t, s)
	if err := os.WriteFile(file, stale, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, o)
	wantLedger(t, LedgerOf[thing](s, "things"), "a=2")
	record(t, LedgerOf[thing](s, "things"), Change[thing]{"a", &thing{3}})
	closeStore(t, s)
	if files := s.journal.files(t); len(files) != 0 {
		t.Errorf("left: %q", files)
	}
	s = openStore(t, o)
	wantLedger(t, LedgerOf[thing](s, "things"), "a=3")
}

func TestLedgerOfWhatCannotBeWritten(t *testing.T) {
	o, _ := testOptions(t)
	v := math.NaN()
	err := LedgerOf[float64](openStore(t, o), "floats").Append(Change[float64]{"nan", &v}).Wait()
	if want := `encode floats "nan": json: unsupported value: NaN`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestLedgerOfFullStore: the journal holds what etcd does not take.
func TestLedgerOfFullStore(t *testing.T) {
	o, log := testOptions(t)
	o.QuotaBytes = 2 << 20
	s := openStore(t, o)
	big := Of[string](s, "strings")
	fill := strings.Repeat("x", 256<<10)
	eventually(t, "the store is full", func() bool {
		err := s.Update(t.Context(), func(tx *Tx) error { return big.In(tx).Put(fmt.Sprint(time.Now().UnixNano()), fill) })
		return errors.Is(err, ErrFull)
	})
	l := LedgerOf[thing](s, "things")
	record(t, l, Change[thing]{"a", &thing{1}})
	wantLedger(t, l, "a=1")
	eventually(t, "it is told", func() bool {
		return strings.Contains(log.String(), "the store's journal cannot be emptied; nothing is lost")
	})
	closeStore(t, s)
	s = openStore(t, o)
	wantLedger(t, LedgerOf[thing](s, "things"), "a=1")
	closeStore(t, s)
	o.QuotaBytes = 0
	s = openStore(t, o)
	if err := s.relieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "etcd has it", func() bool {
		_, err := Of[thing](s, "things").Get(t.Context(), "a")
		return err == nil
	})
	wantLedger(t, LedgerOf[thing](s, "things"), "a=1")
}

// TestLedgerOfKilled: what Wait has acknowledged is there after the process was
// killed, in the ledger and nowhere else.
func TestLedgerOfKilled(t *testing.T) {
	if dir := os.Getenv("LEDGER_TEST_DIR"); dir != "" {
		appendForever(dir)
		return
	}
	o, _ := testOptions(t)
	acknowledged := 0
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLedgerOfKilled$")
		cmd.Env = append(os.Environ(), "LEDGER_TEST_DIR="+o.Dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			if n == 100+50*round {
				cmd.Process.Kill() // what it still says counts, too
			}
		}
		cmd.Wait()
		s := openStore(t, o)
		recs, err := LedgerOf[thing](s, "things").List(t.Context())
		if err != nil || len(recs) != 1 || recs[0].Value.N < acknowledged {
			t.Errorf("round %d: %d acknowledged, found %+v, %v", round, acknowledged, recs, err)
		}
		closeStore(t, s)
	}
}

// appendForever moves one thing from key to key.
func appendForever(dir string) {
	s, err := Open(context.Background(), Options{Dir: dir, ReserveBytes: 1 << 20, LowBytes: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	l := LedgerOf[thing](s, "things")
	recs, err := l.List(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	at, n := "", 0
	for _, r := range recs {
		at, n = r.Key, r.Value.N
	}
	for {
		n++
		changes := []Change[thing]{{fmt.Sprint("k", n%7), &thing{n}}}
		if at != "" && at != changes[0].Key {
			changes = append(changes, Change[thing]{at, nil})
		}
		if err := l.Append(changes...).Wait(); err != nil {
			fmt.Println(err)
			return
		}
		at = changes[0].Key
		fmt.Println(n)
	}
}
