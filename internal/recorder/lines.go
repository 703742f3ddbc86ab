package recorder

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxFile is the size in bytes at which a file of lines is set aside and a new
// one begun. Two are kept.
const maxFile = 8 << 20

// lines is a file of one JSON value a line. It is not synced: a timeline is
// worth no disk's time, and a torn last line is skipped when read.
type lines struct {
	path string
	f    *os.File
	size int64
	torn bool // the last line was not written whole
}

// openLines opens a file of lines, making it and its folder if they are
// missing, and passes each line that it holds to replay, oldest first.
func openLines(path string, replay func(line []byte)) (*lines, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make recorder folder: %w", err)
	}
	l := &lines{path: path}
	for _, path := range []string{l.path + ".1", l.path} {
		if err := readLines(path, replay); err != nil {
			return nil, err
		}
	}
	return l, l.open()
}

func (l *lines) open() error {
	f, err := os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open recorder file: %w", err)
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open recorder file: %w", err)
	}
	l.f, l.size = f, fi.Size()
	return l.endTornLine()
}

// endTornLine ends a last line that a crash cut short, so that the next one
// does not become part of it.
func (l *lines) endTornLine() error {
	if l.size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := l.f.ReadAt(last, l.size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err := l.f.Write([]byte{'\n'})
	return err
}

func (l *lines) append(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode for recorder: %w", err)
	}
	if l.size >= maxFile {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if l.torn { // what an earlier error cut short
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.f.Write(append(line, '\n'))
	l.size += int64(n)
	l.torn = err != nil
	if err != nil {
		return fmt.Errorf("write recorder file: %w", err)
	}
	return nil
}

func (l *lines) rotate() error {
	l.f.Close()
	if err := os.Rename(l.path, l.path+".1"); err != nil && !os.IsNotExist(err) { // an earlier try came this far
		return fmt.Errorf("rotate recorder file: %w", err)
	}
	return l.open()
}

func (l *lines) close() error { return l.f.Close() }

// readLines passes each line of the file to replay. A missing file is empty.
func readLines(path string, replay func(line []byte)) error {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open recorder file: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadBytes('\n')
		replay(line)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read recorder file: %w", err)
		}
	}
}
