package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// testJournal is a journal in a folder of its own, whose failure is a test's.
func testJournal(t *testing.T) *journal {
	t.Helper()
	j := newJournal(Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	j.fail = func(err error) { t.Error(err) }
	t.Cleanup(func() { j.close() })
	return j
}

func (j *journal) must(t *testing.T, changes ...change) {
	t.Helper()
	if err := j.append(changes).Wait(); err != nil {
		t.Fatal(err)
	}
}

// reload is what the next server finds, which has nothing of it.
func (j *journal) reload() (map[string][]byte, error) { return j.reloadFrom(position{}) }

func (j *journal) reloadFrom(from position) (map[string][]byte, error) {
	next := newJournal(Options{Dir: filepath.Dir(j.dir), Log: slog.New(slog.DiscardHandler)})
	err := next.load(from)
	return next.late, err
}

func (j *journal) files(t *testing.T) (names []string) {
	t.Helper()
	names, err := filepath.Glob(j.dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func set(key, value string) change { return change{key, []byte(value)} }

func TestJournal(t *testing.T) {
	j := testJournal(t)
	if late, err := j.reload(); len(late) != 0 || err != nil {
		t.Errorf("before there is one: %v, %v", late, err)
	}
	j.must(t, set("a", "1"), set("b", "1"))
	j.must(t, set("a", "2"))
	j.must(t, change{key: "b"}, set("c", ""))
	want := map[string][]byte{"a": []byte("2"), "b": nil, "c": {}}
	if late, err := j.reload(); !reflect.DeepEqual(late, want) || err != nil {
		t.Errorf("found %q, %v, want %q", late, err, want)
	}
	if late, _, _ := j.take(); !reflect.DeepEqual(late, want) {
		t.Errorf("for etcd there is %q, want %q", late, want)
	}
	j.must(t, set("a", "3"))
	j.giveBack(want, nil)
	want["a"] = []byte("3")
	if late, _, _ := j.take(); !reflect.DeepEqual(late, want) {
		t.Errorf("given back and newer: %q, want %q", late, want)
	}
}

// TestJournalOfMany: each has been told the truth, and the last word counts.
func TestJournalOfMany(t *testing.T) {
	j := testJournal(t)
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			for i := range 20 {
				if err := j.append([]change{set(fmt.Sprint(n), fmt.Sprint(i))}).Wait(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	late, err := j.reload()
	if err != nil || len(late) != 50 {
		t.Errorf("%d found, %v", len(late), err)
	}
	for key, v := range late {
		if string(v) != "19" {
			t.Errorf("%s ends with %s", key, v)
		}
	}
}

// TestJournalCut: whatever has become of the end of the last record, those before
// it are there. It was acknowledged to nobody.
func TestJournalCut(t *testing.T) {
	j := testJournal(t)
	j.must(t, set("a", "1"))
	before := j.size
	j.must(t, set("b", "2"))
	name := j.files(t)[0]
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := before; at < j.size; at++ {
		for what, b := range map[string][]byte{
			"cut":   whole[:at],
			"zeros": append(bytes.Clone(whole[:at]), make([]byte, len(whole)-int(at))...),
			"a bit": append(append(bytes.Clone(whole[:at]), whole[at]^4), whole[at+1:]...),
		} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time others are behind it
				if late, err := j.reload(); string(late["a"]) != "1" || late["b"] != nil || err != nil {
					t.Errorf("%s at %d: %q, %v", what, at, late, err)
				}
				if err := os.WriteFile(j.name(2), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Remove(j.name(2)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDamagedJournal: what has a record behind it was acknowledged.
func TestDamagedJournal(t *testing.T) {
	for name, tt := range map[string]struct {
		at   int // where the damage is
		zero int // so many bytes are zeros; 0: a bit is another
		last bool
		want int // the place that is told
	}{
		"not the last file":            {at: 1000, want: 12},
		"no record":                    {at: 12, zero: 8, want: 12},
		"a record behind it":           {at: 9, last: true},
		"no record, but one behind it": {at: 0, zero: 8, last: true},
	} {
		j := testJournal(t)
		j.must(t, set("a", "1"))
		j.must(t, set("b", strings.Repeat("x", journalBytes-30)))
		if !tt.last {
			j.must(t, set("c", "3"))
		}
		path := j.files(t)[0]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[tt.at] ^= 1
		if tt.zero > 0 {
			clear(b[tt.at : tt.at+tt.zero])
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("read the store's journal: %q is damaged at byte %d: bring it back from a backup, or move it away, and what was acknowledged in its last seconds with it", path, tt.want)
		if _, err := j.reload(); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", name, err, want)
		}
	}
}

// TestJournalTurns: a file is removed when etcd has all that it holds, and the
// last one at the end.
func TestJournalTurns(t *testing.T) {
	j := testJournal(t)
	third := strings.Repeat("x", journalBytes/3)
	for i := range 7 {
		j.must(t, set("a", third+fmt.Sprint(i)))
	}
	if n := len(j.files(t)); n != 4 {
		t.Errorf("%d files, want 4", n)
	}
	if late, err := j.reload(); string(late["a"]) != third+"6" || err != nil {
		t.Errorf("found %d bytes, %v", len(late["a"]), err)
	}
	_, _, full := j.take()
	j.must(t, set("b", third))
	j.must(t, set("b", third)) // this turns
	if err := j.forget(full); err != nil {
		t.Error(err)
	}
	if n := len(j.files(t)); n != 2 || len(j.full) != 1 {
		t.Errorf("%d files, want 2, and %v", n, j.full)
	}
	_, _, full = j.take()
	if err := errors.Join(j.forget(full), j.close()); err != nil {
		t.Error(err)
	}
	if files := j.files(t); len(files) != 0 {
		t.Errorf("left: %q", files)
	}
}

// TestJournalThatStays: a file that cannot be removed keeps those after it, or what
// they have put right would be wrong again after a restart.
func TestJournalThatStays(t *testing.T) {
	j := testJournal(t)
	half := strings.Repeat("x", journalBytes/2)
	for i := range 4 {
		j.must(t, set("a", half+fmt.Sprint(i)))
	}
	_, _, full := j.take()
	aside := full[0].name + ".aside"
	if err := errors.Join(os.Rename(full[0].name, aside), os.MkdirAll(full[0].name+"/in the way", 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := j.forget(full); err == nil || len(j.full) != 3 {
		t.Errorf("%v, %v", err, j.full)
	}
	if err := errors.Join(os.RemoveAll(full[0].name), os.Rename(aside, full[0].name)); err != nil {
		t.Fatal(err)
	}
	if late, err := j.reload(); string(late["a"]) != half+"3" || err != nil {
		t.Errorf("found %d bytes, %v", len(late["a"]), err)
	}
	if err := os.Remove(full[0].name); err != nil { // and the sync after that failed
		t.Fatal(err)
	}
	if err := j.forget(full); err != nil || len(j.full) != 0 {
		t.Errorf("%v, %v", err, j.full)
	}
}

func TestFullJournal(t *testing.T) {
	j := testJournal(t)
	file := strings.Repeat("x", journalBytes-100)
	for i := range fullBytes/journalBytes + 2 {
		j.must(t, set("a", fmt.Sprint(file, i)))
	}
	for why, trouble := range map[string]error{"it has not come to it yet": nil, "the store is full": ErrFull} {
		j.giveBack(nil, trouble)
		err := j.append([]change{set("a", file)}).Wait()
		if want := "the store's journal is full, since etcd takes nothing of it: " + why; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, _, full := j.take()
	if err := j.forget(full); err != nil {
		t.Fatal(err)
	}
	j.must(t, set("a", file))
}

// TestJournalWithoutRoom: what is refused is written with what comes next, for who
// appends has it in memory.
func TestJournalWithoutRoom(t *testing.T) {
	j := testJournal(t)
	j.must(t, set("a", "1"))
	aside := j.dir + ".aside"
	if err := errors.Join(os.Rename(j.dir, aside), os.WriteFile(j.dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, changes := range [][]change{{set("b", strings.Repeat("x", journalBytes-20)), {key: "a"}}, {set("c", "3")}, {set("b", "2")}} {
		err := j.append(changes).Wait()
		if !errors.Is(err, unix.ENOTDIR) || !strings.HasPrefix(err.Error(), "make the next file of the store's journal: ") {
			t.Errorf("%v", err)
		}
	}
	if len(j.late) != 1 {
		t.Errorf("%d for etcd", len(j.late))
	}
	if err := errors.Join(os.Remove(j.dir), os.Rename(aside, j.dir)); err != nil {
		t.Fatal(err)
	}
	j.must(t, set("c", "4"))
	want := map[string][]byte{"a": nil, "b": []byte("2"), "c": []byte("4")}
	if late, err := j.reload(); !reflect.DeepEqual(late, want) || !reflect.DeepEqual(j.late, want) || err != nil {
		t.Errorf("%d found, %v", len(late), err)
	}
	if want := (position{1, j.size}); j.end != want || len(j.refused) != 0 {
		t.Errorf("at %v, want %v, and %d to be written again", j.end, want, len(j.refused))
	}
	if err := os.Mkdir(j.name(2), 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	j.must(t, set("d", strings.Repeat("x", journalBytes-20)))
	if j.end.file != 3 {
		t.Errorf("at %v", j.end)
	}
}

// TestJournalIsSynced asks the kernel, for no kill shows what a power cut would.
func TestJournalIsSynced(t *testing.T) {
	j := testJournal(t)
	j.must(t, set("a", "1"))
	if flags, err := unix.FcntlInt(j.file.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_DSYNC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

// TestJournalPosition: what etcd has is not read again, even if it is damaged.
func TestJournalPosition(t *testing.T) {
	j := testJournal(t)
	j.must(t, set("a", "1"))
	j.must(t, set("b", "1"))
	_, from, _ := j.take()
	j.must(t, set("c", strings.Repeat("x", journalBytes-20))) // this turns
	j.must(t, set("d", "1"))
	first := j.files(t)[0]
	b, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b[9] ^= 1
	if err := os.WriteFile(first, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if late, err := j.reloadFrom(from); len(late) != 2 || late["d"] == nil || err != nil {
		t.Errorf("behind %v: %d found, %v", from, len(late), err)
	}
	if late, err := j.reloadFrom(j.end); len(late) != 0 || err != nil {
		t.Errorf("behind the end: %d found, %v", len(late), err)
	}
	if _, err := j.reload(); err == nil {
		t.Error("damage is taken for nothing")
	}
}

// TestJournalNumbers: a file is never older than the position by its name.
func TestJournalNumbers(t *testing.T) {
	j := testJournal(t)
	if err := j.load(position{7, 100}); err != nil {
		t.Fatal(err)
	}
	j.must(t, set("a", "1"))
	if want := []string{j.name(8)}; !reflect.DeepEqual(j.files(t), want) {
		t.Errorf("%q, want %q", j.files(t), want)
	}
}

func TestJournalOfNothing(t *testing.T) {
	j := testJournal(t)
	j.must(t)
	j.must(t, set("a", "1"))
	if late, err := j.reload(); len(late) != 1 || err != nil {
		t.Errorf("%q, %v", late, err)
	}
}

// TestClosedJournal: the last file stays if something came after all.
func TestClosedJournal(t *testing.T) {
	j := testJournal(t)
	j.must(t, set("a", "1"))
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if err := j.append([]change{set("b", "1")}).Wait(); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	if late, err := j.reload(); len(late) != 1 || err != nil {
		t.Errorf("%q, %v", late, err)
	}
}

// TestJournalThatCannotBeWritten ends the server, as etcd's log does.
func TestJournalThatCannotBeWritten(t *testing.T) {
	var log logBuffer
	code := 0
	o := Options{Dir: "/data", Log: slog.New(slog.NewTextHandler(&log, nil)), exit: func(c int) { code = c }}
	j := testJournal(t)
	j.fail = func(err error) { o.fatal(err.Error()) }
	j.must(t, set("a", "1"))
	j.file.Close()
	for range 2 {
		err := j.append([]change{set("a", "2")}).Wait()
		if err == nil || !strings.HasPrefix(err.Error(), "write the store's journal: write ") {
			t.Errorf("%v", err)
		}
	}
	if code != exitStoreFailed || strings.Count(log.String(), "make room on the disk or repair it") != 1 {
		t.Errorf("exit %d, log:\n%s", code, log.String())
	}
}

func TestForeignFileInJournal(t *testing.T) {
	for _, name := range []string{"notes", "1", "000000000000000G"} {
		j := testJournal(t)
		path := filepath.Join(j.dir, name)
		if err := errors.Join(os.MkdirAll(j.dir, 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("read the store's journal: %q is no file of it: move it away", path)
		if _, err := j.reload(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
