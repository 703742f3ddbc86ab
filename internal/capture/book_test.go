package capture

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func numbered(n int) (mac MAC) {
	mac[0] = 0x54
	binary.BigEndian.PutUint32(mac[2:], uint32(n))
	return mac
}

func packetOf(size int) kept {
	return kept{Packet{start, size, make([]byte, size)}, kindDHCP}
}

// A machine that asks again and again does not push out its few other packets.
func TestRingKeepsOfEachKind(t *testing.T) {
	var r ring
	const room = 64 << 10
	for k := range kinds {
		r.add(kept{Packet{start, 300, make([]byte, 300)}, k}, room)
	}
	for i := range 10000 {
		r.add(kept{Packet{start.Add(time.Duration(i)), 200, make([]byte, 200)}, kindHTTP}, room)
	}
	seen, size := [kinds]int{}, 0
	for _, p := range r.packets {
		seen[p.kind]++
		size += p.size()
	}
	if size != r.size || size > room || size < room-1000 {
		t.Errorf("%d bytes, said to be %d, of room for %d", size, r.size, room)
	}
	for k, n := range seen {
		if n == 0 {
			t.Errorf("of kind %d nothing is left: %v", k, seen)
		}
	}
	if last := r.packets[len(r.packets)-1]; !last.Time.Equal(start.Add(9999)) {
		t.Errorf("the newest packet is of %s", last.Time)
	}
}

// Floods of made-up clients take neither memory nor disk nor the machines' packets.
func TestFlood(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.Limits = Limits{Machine: 8 << 10, Stranger: 1 << 10, Strangers: 32 << 10, Total: 64 << 10}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	c.take(start, false, discover(pc))
	for i := range 5000 {
		c.take(start, false, discover(numbered(i)))
		if i%500 == 0 {
			c.save(true)
		}
	}
	c.save(true)
	if c.count(pc) != 1 || c.count(numbered(4999)) != 1 || c.count(numbered(0)) != 0 {
		t.Errorf("of the machine %d packets are kept, of the last stranger %d, of the first %d",
			c.count(pc), c.count(numbered(4999)), c.count(numbered(0)))
	}
	c.take(start, false, discover(numbered(0))) // it is back, before its file is removed
	c.book.gone[numbered(0)] = struct{}{}
	c.save(true)
	if _, err := os.Stat(filepath.Join(dir, fileName(numbered(0)))); err != nil {
		t.Error(err)
	}
	if c.book.others.size > o.Limits.Strangers {
		t.Errorf("strangers have %d bytes", c.book.others.size)
	}
	size := int64(0)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if len(entries) != len(c.book.subjects) || size > int64(2*o.Limits.Total) {
		t.Errorf("%d files of %d bytes for %d subjects", len(entries), size, len(c.book.subjects))
	}
}

// Of the strangers of a flood, those that went are not looked for one by one
// among those that came.
func BenchmarkChores(b *testing.B) {
	c := open(b, b.TempDir())
	const strangers = maxStrangers
	for b.Loop() {
		b.StopTimer()
		c.book = newBook(Limits{})
		for i := range strangers {
			c.book.gone[numbered(strangers+i)] = struct{}{}
			c.book.add(numbered(i), packetOf(300), true)
		}
		b.StartTimer()
		if todo, gone := c.chores(true); len(todo) != strangers || len(gone) != strangers {
			b.Fatalf("%d files to write, %d to remove", len(todo), len(gone))
		}
	}
}

// In a flood most strangers are gone before their files are written.
func TestNewStrangersAreNotWritten(t *testing.T) {
	c := open(t, t.TempDir())
	c.book.add(numbered(1), packetOf(1), true)
	c.book.add(numbered(2), packetOf(1), false)
	for i, want := range []int{1, 1, 0} { // the machine, then the stranger who has stayed
		if todo, _ := c.chores(false); len(todo) != want {
			t.Errorf("%d files are written at time %d, want %d", len(todo), i, want)
		}
	}
	c.book.add(numbered(3), packetOf(1), true)
	if todo, _ := c.chores(true); len(todo) != 1 {
		t.Errorf("%d files are written at the end, want 1", len(todo))
	}
}

func TestManyStrangers(t *testing.T) {
	b := newBook(Limits{})
	for i := range maxStrangers + 10 {
		b.add(numbered(i), packetOf(1), true)
	}
	if len(b.subjects) != maxStrangers || b.subjects[numbered(9)] != nil || b.subjects[numbered(10)] == nil {
		t.Errorf("%d strangers are kept, the first ones among them", len(b.subjects))
	}
}

// When machines alone are too many, who has been silent for longest goes.
func TestManyMachines(t *testing.T) {
	b := newBook(Limits{Machine: 1000, Stranger: 1000, Strangers: 2000, Total: 4000})
	b.add(numbered(99), packetOf(500), true)
	for i := range 10 {
		b.add(numbered(i), packetOf(500), false)
		b.add(numbered(0), packetOf(500), false)
	}
	if b.subjects[numbered(99)] != nil || b.subjects[numbered(0)] == nil || b.subjects[numbered(9)] == nil || b.subjects[numbered(1)] != nil {
		t.Errorf("kept: %v", b.subjects)
	}
	if b.machines.size > 4000 || b.machines.order.Len() != len(b.subjects) {
		t.Errorf("%d bytes of %d subjects, %d listed", b.machines.size, len(b.subjects), b.machines.order.Len())
	}
}

func TestRestart(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	c.take(start, false, discover(pc))
	c.save(true)
	c.take(start.Add(time.Second), false, arp(pc, all, 1, pcAt, ourAt))
	c.save(true) // appends
	name := filepath.Join(dir, fileName(pc))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(AppendPacket(nil, Packet{start, 60, make([]byte, 60)})[:40]) // a crash
	f.Close()
	for _, junk := range []string{"notes.txt", fileName(numbered(1)) + partSuffix, "zz.pcap"} {
		if err := os.WriteFile(filepath.Join(dir, junk), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	c = open(t, dir)
	c.take(start.Add(2*time.Second), false, discover(pc))
	c.save(true)
	c = open(t, dir)
	got := c.Packets(Span{MAC: pc[:]})
	if len(got) != 3 || !got[0].Time.Equal(start) || string(got[0].Data) != string(discover(pc)[:len(got[0].Data)]) {
		t.Fatalf("%d packets: %v", len(got), got)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(dir, fileName(numbered(1))+partSuffix)); err == nil {
		t.Error("what a crash left is still there")
	}
}

// A machine's file is at most twice what it may have.
func TestFileStaysSmall(t *testing.T) {
	o := options(t.TempDir())
	o.Limits.Machine = 4 << 10
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	largest := int64(0)
	for i := range 200 {
		c.take(start.Add(time.Duration(i)*time.Second), false, discover(pc))
		c.save(true)
		info, err := os.Stat(filepath.Join(o.Dir, fileName(pc)))
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	if largest > 8<<10 || largest < 4<<10 {
		t.Errorf("the file has had %d bytes", largest)
	}
	c2 := open(t, o.Dir)
	if got := c2.Packets(Span{MAC: pc[:]}); !got[len(got)-1].Time.Equal(start.Add(199 * time.Second)) {
		t.Errorf("the newest packet is of %s", got[len(got)-1].Time)
	}
}

// A stranger that somebody adds is a machine from then on.
func TestStrangerIsAdded(t *testing.T) {
	c := open(t, t.TempDir())
	c.take(start, false, discover(numbered(1)))
	c.o.Known = func(net.HardwareAddr) bool { return true }
	c.save(true)
	if c.book.others.order.Len() != 0 || c.book.machines.order.Len() != 1 || c.book.machines.size != c.book.subjects[numbered(1)].size {
		t.Errorf("%d strangers, %d machines of %d bytes", c.book.others.order.Len(), c.book.machines.order.Len(), c.book.machines.size)
	}
}
