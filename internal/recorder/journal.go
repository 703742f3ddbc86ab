package recorder

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxJournal is the size in bytes at which the journal is set aside and a new
// one begun. Two are kept.
const maxJournal = 8 << 20

// journal is a file of one JSON event a line. It is not synced: a timeline is
// worth no disk's time, and a torn last line is skipped when read.
type journal struct {
	path string
	f    *os.File
	size int64
	torn bool // the last line was not written whole
}

// openJournal opens the journal in dir, making both if they are missing, and
// passes each event it holds to replay, oldest first.
func openJournal(dir string, replay func(Event)) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make recorder folder: %w", err)
	}
	j := &journal{path: filepath.Join(dir, "events.jsonl")}
	for _, path := range []string{j.path + ".1", j.path} {
		if err := readJournal(path, replay); err != nil {
			return nil, err
		}
	}
	return j, j.open()
}

func (j *journal) open() error {
	f, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open recorder journal: %w", err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open recorder journal: %w", err)
	}
	j.f, j.size = f, fi.Size()
	return j.endTornLine()
}

// endTornLine ends a last line that a crash cut short, so that the next event
// does not become part of it.
func (j *journal) endTornLine() error {
	if j.size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := j.f.ReadAt(last, j.size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err := j.f.Write([]byte{'\n'})
	return err
}

func (j *journal) append(e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	if j.size >= maxJournal {
		if err := j.rotate(); err != nil {
			return err
		}
	}
	if j.torn { // what an earlier error cut short
		line = append([]byte{'\n'}, line...)
	}
	n, err := j.f.Write(append(line, '\n'))
	j.size += int64(n)
	j.torn = err != nil
	if err != nil {
		return fmt.Errorf("write recorder journal: %w", err)
	}
	return nil
}

func (j *journal) rotate() error {
	j.f.Close()
	if err := os.Rename(j.path, j.path+".1"); err != nil {
		return fmt.Errorf("rotate recorder journal: %w", err)
	}
	return j.open()
}

func (j *journal) close() error { return j.f.Close() }

// readJournal passes each event of the file to replay. A missing file is
// empty; lines that are no event are skipped.
func readJournal(path string, replay func(Event)) error {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open recorder journal: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadBytes('\n')
		var e Event
		if json.Unmarshal(line, &e) == nil && e.Subject() != "" {
			replay(e)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read recorder journal: %w", err)
		}
	}
}
