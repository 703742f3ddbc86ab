package scsi

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// share is a disk that is a unit of two targets, at different numbers; one is a
// nexus by the first, far one by the other.
func share(t *testing.T, k Keeper) (d *Disk, one, far *Nexus) {
	t.Helper()
	d, _ = newRAM()
	if k != nil {
		if err := d.KeepReservations(k); err != nil {
			t.Fatal(err)
		}
	}
	near := NewTarget("iqn.near,t,0x0001", map[uint8]*Disk{0: d})
	other := NewTarget("iqn.far,t,0x0001", map[uint8]*Disk{0: NewDisk(ReadOnlyBytes(nil), Identity{ReadOnly: true}), 5: d})
	// One initiator port, two nexuses.
	return d, near.Join(Initiator{Port: "iqn.a,i,0x01"}), other.Join(Initiator{Port: "iqn.a,i,0x01"})
}

func expect(t testing.TB, d *Disk, n *Nexus, s, params string, want Sense) []byte {
	t.Helper()
	b, got := do(t, d, n, s, unhex(t, params))
	if got != want {
		t.Errorf("%s by %s: %v, want %v", s, n.ports.target, got, want)
	}
	return b
}

const wceOff = "00000000 0812 0000 00000000000000000000 00000000 0000"

func TestSharedDisk(t *testing.T) {
	d, one, far := share(t, nil)
	expect(t, d, one, "15 10 00 00 18", wceOff, Sense{})
	expect(t, d, far, "00", "", ModeChanged.Sense())
	expect(t, d, far, "00", "", Sense{})
	if b := expect(t, d, far, "1a 08 08 00 ff", "", Sense{}); b[6] != 0 {
		t.Errorf("WCE by the other target: % x", b)
	}

	expect(t, d, one, "16", "", Sense{})
	expect(t, d, far, "25", "", conflict)
	one.target.Reset(UnitReset, d)
	expect(t, d, one, "00", "", UnitReset.Sense())
	expect(t, d, far, "00", "", UnitReset.Sense())
	expect(t, d, far, "25", "", Sense{})

	// Each is named with the port that it is asked by.
	for n, port := range map[*Nexus]string{one: "iqn.near,t,0x0001", far: "iqn.far,t,0x0001"} {
		if b := expect(t, d, n, "12 01 83 00 ff", "", Sense{}); !bytes.Contains(b, []byte(port)) {
			t.Errorf("%s: % x", port, b)
		}
	}
}

// A reset of one target is a reset of the shared unit to the others.
func TestResetOfSharedDisk(t *testing.T) {
	d, one, far := share(t, nil)
	third := far.target.Join(Initiator{Port: "iqn.b,i,0x01"})
	one.target.Reset(BusReset)
	expect(t, d, one, "00", "", BusReset.Sense())
	expect(t, d, far, "00", "", UnitReset.Sense())
	expect(t, d, third, "00", "", UnitReset.Sense())
	if s := far.take(0); !s.OK() {
		t.Errorf("another unit was told %v", s)
	}
}

func TestElsewhere(t *testing.T) {
	d, one, far := share(t, nil)
	one.target.Join(Initiator{Port: "iqn.b,i,0x01"})
	far.abort = func(lun uint8, then func()) bool {
		then()
		return lun == 5
	}
	for _, units := range [][]*Disk{{d}, nil} {
		met, ended := 0, 0
		one.target.Elsewhere(func(n *Nexus, lun uint8) {
			if n == far && n.Abort(lun, func() { ended++ }) {
				met++
			}
		}, units...)
		if met != 1 || ended != 1 {
			t.Errorf("%d units: met %d, ended %d", len(units), met, ended)
		}
	}
	one.target.Elsewhere(func(*Nexus, uint8) { t.Error("a unit that is nowhere else") }, NewDisk(ReadOnlyBytes(nil), testID))
	if one.Abort(0, func() {}) {
		t.Error("who ends nothing has ended something")
	}
}

// The same initiator port by two targets is two nexuses.
func TestSharedReservation(t *testing.T) {
	k := new(shelf)
	d, one, far := share(t, k)
	register := func(key int) string { return fmt.Sprintf("%016x %016x 00000000 01 000000", 0, key) }
	const reserve = "0000000000000001 0000000000000000 00000000 00 000000"
	expect(t, d, one, "5f 00 00 0000 00000018", register(1), Sense{})
	expect(t, d, one, "5f 01 03 0000 00000018", reserve, Sense{})
	expect(t, d, far, "28 00 00000000 00 0001", "", conflict)
	expect(t, d, far, "5f 00 00 0000 00000018", register(2), Sense{})
	if !strings.Contains(string(k.data), `"version":2`) || strings.Count(string(k.data), "iqn.far,t,0x0001") != 1 {
		t.Errorf("kept %s", k.data)
	}
	d, one, far = share(t, k)
	expect(t, d, far, "28 00 00000000 00 0001", "", conflict)
	// PREEMPT takes it from the other target's nexus, which is told.
	expect(t, d, far, "5f 04 03 0000 00000018", "0000000000000002 0000000000000001 00000000 00 000000", Sense{})
	expect(t, d, one, "28 00 00000000 00 0001", "", conflict)
	expect(t, d, one, "00", "", RegistrationsPreempted.Sense())
}

// What version 1 kept names no target: it holds by any.
func TestKeptWithoutTarget(t *testing.T) {
	k := &shelf{data: []byte(`{"version":1,"type":3,"holder":"iqn.a,i,0x01","registrations":[{"port":"iqn.a,i,0x01","key":"1"}]}`)}
	d, one, far := share(t, k)
	stranger := one.target.Join(Initiator{Port: "iqn.b,i,0x01"})
	var c Command
	for n, want := range map[*Nexus]Sense{one: {}, stranger: conflict} {
		if s := d.Decode(n, 0, cdb(t, "28 00 00000000 00 0001"), &c); s != want {
			t.Errorf("%v: %v", n.ports, s)
		}
	}
	if s := d.Decode(far, 5, cdb(t, "28 00 00000000 00 0001"), &c); !s.OK() {
		t.Error(s)
	}
	expect(t, d, far, "5f 00 00 0000 00000018", "0000000000000001 0000000000000000 00000000 01 000000", Sense{})
	if p := d.res.persistent.Load(); len(p.list) != 0 || p.kind != noReservation {
		t.Errorf("after it was given up: %+v", p)
	}
}

func TestAddAndRemove(t *testing.T) {
	d, one, far := share(t, nil)
	other := one.target.Join(Initiator{Port: "iqn.b,i,0x01"})
	luns := LUNsChanged.Sense()
	extra := NewDisk(ReadOnlyBytes(nil), Identity{ReadOnly: true})
	one.target.Add(9, extra)
	expect(t, d, one, "00", "", luns)
	expect(t, d, one, "00", "", Sense{})
	if s := one.take(9); !s.OK() {
		t.Errorf("told by two units: %v", s)
	}
	if b := expect(t, d, other, "a0 00 00 000000 00000100", "", Sense{}); !bytes.Equal(b, unhex(t, "00000010 00000000 0000000000000000 0009000000000000")) {
		t.Errorf("LUNs % x", b)
	}
	expect(t, d, other, "00", "", Sense{}) // it has asked
	expect(t, d, far, "00", "", Sense{})   // another target's have not changed

	// Nine goes, with what it had to tell and what was reserved on it.
	expect(t, extra, other, "16", "", Sense{})
	extra.announce(nil, CapacityChanged)
	var c Command
	if s := extra.Decode(one, 9, cdb(t, "12 00 00 00 24"), &c); !s.OK() || !extra.Admit(&c).OK() {
		t.Error("INQUIRY is refused")
	}
	unit := one.target
	unit.Remove(9)
	unit.Remove(9) // nobody there: nobody is told
	if s := extra.Admit(&c); s != noUnit {
		t.Errorf("a command that was on its way: %v", s)
	}
	if unit.Unit(9) != Absent || extra.reserved.Load() || len(extra.places) != 0 {
		t.Error("the unit is not gone")
	}
	if s := Absent.Decode(one, 9, cdb(t, "00"), &c); s != noUnit {
		t.Errorf("the unit that has gone: %v", s)
	}
	expect(t, d, one, "00", "", luns)
	// A command that reserves and is late does not reserve for ever.
	late := Command{CDB: *cdb(t, "16"), nexus: other, lun: 9}
	if s := extra.reserveSimple(&late); s != noUnit {
		t.Errorf("a late RESERVE: %v", s)
	}
	// Another disk in its place has no old news.
	unit.Add(9, NewDisk(ReadOnlyBytes(nil), Identity{ReadOnly: true}))
	if s := other.take(9); s != luns {
		t.Errorf("the new unit: %v", s)
	}
	if s := other.take(9); !s.OK() {
		t.Errorf("the new unit, then: %v", s)
	}
	unit.Close()
	if unit.Unit(0) != Absent || len(d.places) != 1 {
		t.Error("the target is not closed")
	}
	expect(t, d, far, "00", "", Sense{})
}

// Units come and go while commands come in; for the race detector.
func TestAddAndRemoveConcurrently(t *testing.T) {
	d, one, far := share(t, nil)
	extra, _ := newRAM()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, n := range []*Nexus{one, far} {
		for _, s := range []string{"00", "16", "17", "a0 00 00 000000 00000100", "2a 00 00000000 00 0001", "12 01 83 00 ff"} {
			wg.Go(func() {
				var c Command
				for in := cdb(t, s); ; {
					select {
					case <-stop:
						return
					default:
					}
					for _, lun := range []uint8{0, 5, 7} {
						unit := n.target.Unit(uint16(lun))
						if !unit.Decode(n, lun, in, &c).OK() || !unit.Admit(&c).OK() {
							continue
						}
						if c.Kind == Control {
							unit.Answer(&c, nil)
						} else if c.verb == reserveUnit {
							unit.Execute(&c, nil)
						}
					}
				}
			})
		}
	}
	for i := range 300 {
		one.target.Add(7, extra)
		far.target.Add(7, extra)
		if i%10 == 0 {
			far.target.Reset(BusReset)
			d.announce(nil, CapacityChanged)
			far.target.Join(Initiator{Port: "iqn.c,i,0x01"}).Leave()
		}
		one.target.Remove(7)
		far.target.Remove(7)
	}
	close(stop)
	wg.Wait()
	if extra.reserved.Load() || len(extra.places) != 0 {
		t.Errorf("reserved %v, in %d places", extra.reserved.Load(), len(extra.places))
	}
}

// Two targets' initiators count up one block by COMPARE AND WRITE: none is lost.
func TestCompareAndWriteAcrossTargets(t *testing.T) {
	d, one, far := share(t, nil)
	clear(d.dev.(*ram).data)
	var wg sync.WaitGroup
	for _, n := range []*Nexus{one, far} {
		wg.Go(func() {
			for done := 0; done < 200; {
				var old [512]byte
				d.order.RLock() // the device is not safe for readers beside writers
				copy(old[:], d.dev.(*ram).data)
				d.order.RUnlock()
				next := old
				next[0]++
				if next[0] == 0 {
					next[1]++
				}
				if _, s := do(t, d, n, "89 00 0000000000000000 000000 01", append(old[:], next[:]...)); s.OK() {
					done++
				}
			}
		})
	}
	wg.Wait()
	if got := d.dev.(*ram).data; int(got[0])+256*int(got[1]) != 400 {
		t.Errorf("counted to %d", int(got[0])+256*int(got[1]))
	}
}

// A read-only view of a disk is the disk to everybody but those who write.
func TestReadOnlyView(t *testing.T) {
	d, one, _ := share(t, nil)
	view := d.ReadOnly()
	target := NewTarget("iqn.reader,t,0x0001", map[uint8]*Disk{3: view})
	reader := target.Join(Initiator{Port: "iqn.b,i,0x01"})
	if b := expect(t, view, reader, "1a 08 08 00 ff", "", Sense{}); b[2] != 0x90 {
		t.Errorf("MODE SENSE % x", b)
	}
	expect(t, view, reader, "2a 00 00000000 00 0001", "", writeProtected)
	expect(t, d, one, "41 00 00000000 00 0001 00", string(hexOf(make([]byte, 512))), Sense{})
	if !slices.EqualFunc(d.designators(), view.designators(), bytes.Equal) {
		t.Error("it has another name")
	}

	expect(t, d, one, "15 10 00 00 18", wceOff, Sense{})
	expect(t, view, reader, "00", "", ModeChanged.Sense())
	expect(t, d, one, "16", "", Sense{})
	expect(t, view, reader, "28 00 00000000 00 0001", "", conflict)
	expect(t, d, one, "17", "", Sense{})
	expect(t, view, reader, "16", "", Sense{})
	expect(t, d, one, "28 00 00000000 00 0001", "", conflict)
	target.Close()
	expect(t, d, one, "25", "", Sense{})
}
