package capture

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Each machine has a file of its own, which packets are appended to. One that has
// become larger than twice what the machine may have in memory is written anew,
// so all of them are smaller than twice what all may have.
const (
	fileSuffix = ".pcap"
	partSuffix = ".part"
	saveEvery  = 5 * time.Second
)

func fileName(mac MAC) string { return hex.EncodeToString(mac[:]) + fileSuffix }

// chore is one change of a file.
type chore struct {
	name   string
	data   []byte
	append bool
	mac    MAC
}

// keepSaving writes what is new, now and then, until ctx ends.
func (c *Capture) keepSaving(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			c.save(true)
			return
		case <-tick.C:
			c.save(false)
			c.tellLost()
		}
	}
}

// save brings the files up to date. Of strangers that are new since the last time it
// writes nothing yet, unless all are to be written: in a flood most of them are
// forgotten soon, and their files would take the time of the disk that leases are
// synced to.
func (c *Capture) save(all bool) {
	c.judge()
	todo, gone := c.chores(all)
	for _, name := range gone {
		if err := os.Remove(filepath.Join(c.o.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.complain(err)
		}
	}
	for _, ch := range todo {
		if err := ch.do(c.o.Dir); err != nil {
			c.complain(err)
			c.again(ch.mac)
		}
	}
}

func (ch chore) do(dir string) error {
	path := filepath.Join(dir, ch.name)
	if ch.append {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		_, err = f.Write(ch.data)
		return errors.Join(err, f.Close())
	}
	if err := os.WriteFile(path+partSuffix, ch.data, 0o600); err != nil {
		return errors.Join(err, os.Remove(path+partSuffix))
	}
	return os.Rename(path+partSuffix, path)
}

// chores takes what is to be written, and removed.
func (c *Capture) chores(all bool) (todo []chore, gone []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for mac, s := range c.book.subjects {
		if s.stranger && !s.stayed && !all {
			s.stayed = true
			continue
		}
		if ch, ok := s.chore(c.book.room(s)); ok {
			ch.mac = mac
			todo = append(todo, ch)
			delete(c.book.gone, mac) // it was forgotten, and is back
		}
	}
	for mac := range c.book.gone {
		gone = append(gone, fileName(mac))
	}
	clear(c.book.gone)
	return todo, gone
}

func (s *subject) chore(room int) (ch chore, ok bool) {
	if len(s.unsaved) == 0 && !s.rewrite {
		return ch, false
	}
	ch = chore{name: fileName(s.mac), append: true}
	for _, p := range s.unsaved {
		ch.data = AppendPacket(ch.data, p)
	}
	if s.rewrite || s.file == 0 || s.file+len(ch.data) > 2*room {
		ch.append, ch.data, s.file = false, s.pcap(), 0
	}
	s.file += len(ch.data)
	s.saved(false)
	return ch, true
}

// pcap is all that is kept of a machine, as a file.
func (s *subject) pcap() []byte {
	b := AppendHeader(make([]byte, 0, pcapHeader+s.size))
	for _, p := range s.packets {
		b = AppendPacket(b, p.Packet)
	}
	return b
}

// again has a file that could not be written be written whole.
func (c *Capture) again(mac MAC) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.book.subjects[mac]; s != nil {
		s.saved(true)
	}
}

// complain tells of trouble with the files, at most once a minute.
func (c *Capture) complain(err error) {
	if now := time.Now(); now.Sub(c.complained) > time.Minute {
		c.complained = now
		c.o.Log.Error("packets of machines are not written to disk", "err", err)
	}
}

// flooding is the quiet after which packets that are lost are another flood's.
const flooding = time.Minute

// tellLost tells of packets that nobody had time to look at, once in a flood.
func (c *Capture) tellLost() {
	var lost uint32
	for _, w := range c.wires {
		if s, err := w.conn.Stats(); err == nil { // it begins at 0 each time
			lost += s.Drops
		}
	}
	c.lost(lost, time.Now())
}

func (c *Capture) lost(n uint32, now time.Time) {
	if n == 0 {
		return
	}
	if now.Sub(c.lostAt) > flooding {
		c.o.Log.Info("more packets came at once than are looked at: `bootes boot pcap` lacks some", "lost", n)
	}
	c.lostAt = now
}

// judge asks whether strangers have been added, of those that are to be written.
func (c *Capture) judge() {
	c.mu.Lock()
	var ask []*subject
	for _, s := range c.book.subjects {
		if s.stranger && len(s.unsaved) > 0 {
			ask = append(ask, s)
		}
	}
	c.mu.Unlock()
	for _, s := range ask {
		if c.known(s.mac) {
			c.mu.Lock()
			c.book.judge(s, false)
			c.mu.Unlock()
		}
	}
}

func (c *Capture) known(mac MAC) bool { return c.o.Known(net.HardwareAddr(mac[:])) }
