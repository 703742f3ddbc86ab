package capture

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// load reads the files of an earlier run. What cannot be read is no reason not
// to serve.
func (c *Capture) load() error {
	if err := os.MkdirAll(c.o.Dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of packets: %w", err)
	}
	entries, err := os.ReadDir(c.o.Dir)
	if err != nil {
		return fmt.Errorf("read the folder of packets: %w", err)
	}
	type found struct {
		name string
		at   time.Time
	}
	var files []found
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), partSuffix) { // a crash left it
			os.Remove(filepath.Join(c.o.Dir, e.Name()))
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, found{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b found) int { return a.at.Compare(b.at) })
	for _, f := range files {
		c.loadFile(f.name)
	}
	return nil
}

func (c *Capture) loadFile(name string) {
	b, err := hex.DecodeString(strings.TrimSuffix(name, fileSuffix))
	if err != nil || len(b) != len(MAC{}) || !strings.HasSuffix(name, fileSuffix) {
		return // not ours
	}
	data, err := os.ReadFile(filepath.Join(c.o.Dir, name))
	var packets []Packet
	if err == nil {
		packets, err = ReadPackets(data)
	}
	if err != nil {
		c.o.Log.Warn("a file of packets cannot be read whole", "file", name, "err", err)
	}
	mac := MAC(b)
	stranger := !c.known(mac)
	for _, p := range packets {
		if f, ok := parse(p.Data, c.o.Ports); ok {
			p.Data = slices.Clone(p.Data) // the file's memory is not held for what of it is dropped
			c.book.add(mac, kept{p, f.kind}, stranger)
		}
	}
	if s := c.book.subjects[mac]; s != nil {
		s.file = len(data)
		s.saved(err != nil)
	}
}
