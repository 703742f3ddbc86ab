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
)

// testJournal is a journal in a folder of its own, whose failure is a test's.
func testJournal(t *testing.T) *journal {
	t.Helper()
	j := newJournal(t.TempDir(), func(err error) { t.Error(err) })
	t.Cleanup(func() { j.close(false) })
	return j
}

func (j *journal) must(t *testing.T, changes ...change) {
	t.Helper()
	if err := j.append(changes).Wait(); err != nil {
		t.Fatal(err)
	}
}

// reload is what the next server finds.
func (j *journal) reload() (map[string][]byte, error) {
	next := newJournal(filepath.Dir(j.dir), nil)
	err := next.load()
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
	if late, _ := j.take(); !reflect.DeepEqual(late, want) {
		t.Errorf("for etcd there is %q, want %q", late, want)
	}
	j.must(t, set("a", "3"))
	j.giveBack(want, nil)
	want["a"] = []byte("3")
	if late, _ := j.take(); !reflect.DeepEqual(late, want) {
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

// TestDamagedJournal: in a file that is not the last all was acknowledged.
func TestDamagedJournal(t *testing.T) {
	j := testJournal(t)
	big := strings.Repeat("x", journalBytes-30)
	j.must(t, set("a", "1"))
	j.must(t, set("b", big))
	j.must(t, set("c", "3"))
	files := j.files(t)
	if len(files) != 2 {
		t.Fatalf("files %q", files)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[1000] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("read the store's journal: %q is damaged at byte 12: bring it back from a backup, or move it away, and what was acknowledged in its last seconds with it", files[0])
	if _, err := j.reload(); err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
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
	_, full := j.take()
	j.must(t, set("b", third))
	j.must(t, set("b", third)) // this turns
	if err := j.forget(full); err != nil {
		t.Error(err)
	}
	if n := len(j.files(t)); n != 2 || len(j.full) != 1 {
		t.Errorf("%d files, want 2, and %q", n, j.full)
	}
	_, full = j.take()
	if err := errors.Join(j.forget(full), j.close(true)); err != nil {
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
	_, full := j.take()
	aside := full[0] + ".aside"
	if err := errors.Join(os.Rename(full[0], aside), os.MkdirAll(full[0]+"/in the way", 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := j.forget(full); err == nil || len(j.full) != 3 {
		t.Errorf("%v, %q", err, j.full)
	}
	if err := errors.Join(os.RemoveAll(full[0]), os.Rename(aside, full[0])); err != nil {
		t.Fatal(err)
	}
	if late, err := j.reload(); string(late["a"]) != half+"3" || err != nil {
		t.Errorf("found %d bytes, %v", len(late["a"]), err)
	}
	if err := j.forget(full); err != nil || len(j.full) != 0 {
		t.Errorf("%v, %q", err, j.full)
	}
}

func TestFullJournal(t *testing.T) {
	j := testJournal(t)
	file := strings.Repeat("x", journalBytes-100)
	for i := range journalFiles + 1 {
		j.must(t, set("a", fmt.Sprint(file, i)))
	}
	for why, trouble := range map[string]error{"it has not come to it yet": nil, "the store is full": ErrFull} {
		j.giveBack(nil, trouble)
		err := j.append([]change{set("a", file)}).Wait()
		if want := "the store's journal is full, since etcd takes nothing of it: " + why; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	_, full := j.take()
	if err := j.forget(full); err != nil {
		t.Fatal(err)
	}
	j.must(t, set("a", file))
}

// TestJournalWithoutRoom: what has no file is refused, and the next goes on.
func TestJournalWithoutRoom(t *testing.T) {
	j := testJournal(t)
	j.must(t, set("a", "1"))
	taken := j.name(2)
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	big := set("b", strings.Repeat("x", journalBytes-20))
	if err := j.append([]change{big}).Wait(); !errors.Is(err, os.ErrExist) || !strings.HasPrefix(err.Error(), "make the next file of the store's journal: ") {
		t.Errorf("%v", err)
	}
	if _, late := j.late["b"]; late {
		t.Error("it is for etcd all the same")
	}
	j.must(t, set("c", "3"))
	if err := os.Remove(taken); err != nil {
		t.Fatal(err)
	}
	j.must(t, big)
	if late, err := j.reload(); len(late) != 3 || err != nil {
		t.Errorf("%d found, %v", len(late), err)
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
