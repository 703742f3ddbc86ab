package scsi

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// room is a disk with three initiators, a, b and c.
type room struct {
	*testing.T
	d       *Disk
	target  *Target
	ports   map[byte]*Nexus
	aborted []byte
}

func newRoom(t *testing.T, k Keeper) *room {
	t.Helper()
	r := &room{T: t, d: NewDisk(&ram{data: make([]byte, 1<<20)}, testID), ports: map[byte]*Nexus{}}
	if k != nil {
		if err := r.d.KeepReservations(k); err != nil {
			t.Fatal(err)
		}
	}
	r.target = NewTarget("iqn.target,t,0x0001", map[uint8]*Disk{0: r.d})
	for _, who := range []byte("abc") {
		r.join(who)
	}
	return r
}

func (r *room) join(who byte) {
	r.ports[who] = r.target.Join(Initiator{
		Port: fmt.Sprintf("iqn.%c,i,0x01", who),
		Abort: func(_ uint8, then func()) bool {
			r.aborted = append(r.aborted, who)
			then()
			return true
		},
	})
}

// out sends a PERSISTENT RESERVE OUT.
func (r *room) out(who byte, action, kind byte, key, actionKey uint64, flags byte) Sense {
	r.Helper()
	p := unhex(r, fmt.Sprintf("%016x %016x 00000000 %02x 000000", key, actionKey, flags))
	_, s := do(r.T, r.d, r.ports[who], fmt.Sprintf("5f %02x %02x 0000 00000018 00", action, kind), p)
	return s
}

func (r *room) must(s Sense) {
	r.Helper()
	if !s.OK() {
		r.Fatal(s)
	}
}

func (r *room) in(who byte, action byte) []byte {
	r.Helper()
	b, s := do(r.T, r.d, r.ports[who], fmt.Sprintf("5e %02x 00 00000000 ffff 00", action), nil)
	r.must(s)
	return b
}

// keys are those that READ KEYS tells, and the generation.
func (r *room) keys() (keys []byte, generation byte) {
	r.Helper()
	b := r.in('a', actReadKeys)
	for i := 15; i < len(b); i += 8 {
		keys = append(keys, b[i])
	}
	return keys, b[3]
}

// may tells which of a, b and c may read, and which may write.
func (r *room) may() string {
	var s []byte
	for _, access := range []string{"28 00 00000000 00 0001 00", "2a 00 00000000 00 0001 00"} {
		for _, who := range []byte("abc") {
			var c Command
			switch s1 := r.d.Decode(r.ports[who], 0, cdb(r, access), &c); s1 {
			case conflict:
				s = append(s, '-')
			case Sense{}:
				s = append(s, who)
			default:
				r.Errorf("%c: %v", who, s1)
			}
		}
		s = append(s, ' ')
	}
	return string(s[:7])
}

// news are the unit attentions pending for a, b and c, by their codes.
func (r *room) news() string {
	var s []byte
	for _, who := range []byte("abc") {
		for u := r.ports[who].take(0); !u.OK(); u = r.ports[who].take(0) {
			s = fmt.Appendf(s, "%c:%04x ", who, u.Code)
		}
	}
	return string(bytes.TrimSpace(s))
}

// Who may do what under each type: a holds it, b is registered, c is not. And
// what the others are told when a lets go, by releasing and by unregistering.
func TestReservationTypes(t *testing.T) {
	for _, c := range []struct {
		kind byte
		may  string
		news string
	}{
		{writeExclusive, "abc a--", ""},
		{exclusive, "a-- a--", ""},
		{writeExclusiveRegistrants, "abc ab-", "b:2a04"},
		{exclusiveRegistrants, "ab- ab-", "b:2a04"},
		{writeExclusiveAll, "abc ab-", "b:2a04"},
		{exclusiveAll, "ab- ab-", "b:2a04"},
	} {
		for _, unregister := range []bool{false, true} {
			r := newRoom(t, nil)
			r.must(r.out('a', actRegister, 0, 0, 1, 0))
			r.must(r.out('b', actRegister, 0, 0, 2, 0))
			r.must(r.out('a', actReserve, c.kind, 1, 0, 0))
			r.must(r.out('a', actReserve, c.kind, 1, 0, 0)) // again is no change
			if got := r.may(); got != c.may {
				t.Errorf("type %d: may %q, want %q", c.kind, got, c.may)
			}
			if s := r.out('b', actReserve, c.kind, 2, 0, 0); (s == conflict) == r.d.res.persistent.Load().all() {
				t.Errorf("type %d: b reserves: %v", c.kind, s)
			}
			b := r.in('c', actReadReservation)
			if len(b) != 24 || b[21] != c.kind || (b[15] == 1) == r.d.res.persistent.Load().all() {
				t.Errorf("type %d: READ RESERVATION: % x", c.kind, b)
			}
			if unregister {
				r.must(r.out('a', actRegister, 0, 1, 0, 0))
				if r.d.res.persistent.Load().all() { // b holds it still
					if got := r.may(); got[4:] != "-b-" {
						t.Errorf("type %d: after a has gone %q", c.kind, got)
					}
					r.must(r.out('b', actRegister, 0, 2, 0, 0))
					c.news = ""
				}
			} else {
				if s := r.out('a', actRelease, c.kind^2, 1, 0, 0); s != badRelease {
					t.Errorf("type %d: release of another: %v", c.kind, s)
				}
				r.must(r.out('a', actRelease, c.kind, 1, 0, 0))
			}
			if got := r.news(); got != c.news {
				t.Errorf("type %d, unregister %v: news %q, want %q", c.kind, unregister, got, c.news)
			}
			if got := r.may(); got != "abc abc" {
				t.Errorf("type %d: afterwards %q", c.kind, got)
			}
		}
	}
}

func TestRegister(t *testing.T) {
	r := newRoom(t, nil)
	for i, c := range []struct {
		action         byte
		key, actionKey uint64
		flags          byte
		want           Sense
		keys           string
		generation     byte
	}{
		{actRegister, 0, 0, 0, Sense{}, "", 0},
		{actRegister, 7, 5, 0, conflict, "", 0},
		{actRegister, 0, 5, 0, Sense{}, "\x05", 1},
		{actRegister, 0, 6, 0, conflict, "\x05", 1},
		{actRegister, 5, 6, 0x04, Sense{}, "\x06", 2},
		{actRegisterIgnore, 99, 8, 0, Sense{}, "\x08", 3},
		{actRegister, 8, 9, 0x08, badParam(20), "\x08", 3}, // SPEC_I_PT
		{actRegister, 8, 9, 0x01, badParam(20), "\x08", 3}, // APTPL, and nobody keeps it
		{actReserve, 7, 0, 0, conflict, "\x08", 3},
		{actRelease, 7, 0, 0, conflict, "\x08", 3},
		{actRelease, 8, 0, 0, Sense{}, "\x08", 3}, // of nothing
		{actClear, 7, 0, 0, conflict, "\x08", 3},
		{actPreempt, 8, 0, 0, badParam(8), "\x08", 3},
		{actPreempt, 8, 77, 0, conflict, "\x08", 3},
		{actRegisterIgnore, 0, 0, 0, Sense{}, "", 4},
	} {
		if s := r.out('a', c.action, writeExclusive, c.key, c.actionKey, c.flags); s != c.want {
			t.Errorf("%d: %v, want %v", i, s, c.want)
		}
		if keys, generation := r.keys(); string(keys) != c.keys || generation != c.generation {
			t.Errorf("%d: keys %q, generation %d", i, keys, generation)
		}
	}
	r.must(r.out('a', actRegister, 0, 0, 1, 0))
	for kind, want := range map[byte]Sense{0: badField(2), 2: badField(2), 9: badField(2), 0x11: badField(2)} {
		if s := r.out('a', actReserve, kind, 1, 0, 0); s != want {
			t.Errorf("type %02x: %v", kind, s)
		}
	}
	if _, s := do(t, r.d, r.ports['a'], "5f 00 00 0000 00000017 00", make([]byte, 23)); s != paramListLength {
		t.Errorf("short list: %v", s)
	}
	if _, s := do(t, r.d, r.ports['a'], "5f 07 00 0000 00000018 00", make([]byte, 24)); s != badField(1) {
		t.Errorf("REGISTER AND MOVE: %v", s)
	}
}

func TestTooManyRegistrations(t *testing.T) {
	r := newRoom(t, nil)
	for i := range maxRegistrations {
		r.ports['a'].ports.initiator = fmt.Sprint("iqn.many", i)
		r.must(r.out('a', actRegister, 0, 0, 1, 0))
	}
	r.ports['a'].ports.initiator = "iqn.more"
	if s := r.out('a', actRegister, 0, 0, 1, 0); s != noRegistration {
		t.Error(s)
	}
	b := r.in('a', actReadFullStatus)
	if len(b) > MaxAnswer || len(b) < 24*maxRegistrations {
		t.Errorf("full status of %d bytes", len(b))
	}
}

func TestPreempt(t *testing.T) {
	for _, c := range []struct {
		name    string
		held    byte // type that a holds
		victim  uint64
		kind    byte
		keys    string
		holder  string
		may     string
		news    string
		aborted string
	}{
		{"the holder", writeExclusive, 1, exclusive, "\x02\x03", "b", "-b- -b-", "a:2a05", "a"},
		{"the holder, to another type", writeExclusiveRegistrants, 1, exclusive, "\x02\x03", "b", "-b- -b-", "a:2a05 c:2a04", "a"},
		{"the holder, to the same type", exclusiveRegistrants, 1, exclusiveRegistrants, "\x02\x03", "b", "-bc -bc", "a:2a05", "a"},
		{"a registration", writeExclusive, 3, exclusive, "\x01\x02", "a", "abc a--", "c:2a05", "c"},
		{"itself", writeExclusive, 2, exclusive, "\x01\x03", "a", "abc a--", "", ""},
		{"one of all holders", exclusiveAll, 1, exclusive, "\x02\x03", "", "-bc -bc", "a:2a05", "a"},
		{"all holders", exclusiveAll, 0, writeExclusive, "\x02", "b", "abc -b-", "a:2a05 c:2a05", "ac"},
		{"nothing held", 0, 1, 0xf, "\x02\x03", "", "abc abc", "a:2a05", "a"},
	} {
		for _, action := range []byte{actPreempt, actPreemptAbort} {
			r := newRoom(t, nil)
			for i, who := range []byte("abc") {
				r.must(r.out(who, actRegister, 0, 0, uint64(i)+1, 0))
			}
			if c.held != 0 {
				r.must(r.out('a', actReserve, c.held, 1, 0, 0))
			}
			r.must(r.out('b', action, c.kind, 2, c.victim, 0))
			p := r.d.res.persistent.Load()
			news := r.news()
			keys, generation := r.keys()
			if string(keys) != c.keys || generation != 4 || news != c.news {
				t.Errorf("%s: keys %q, generation %d, news %q", c.name, keys, generation, news)
			}
			if want := "iqn." + c.holder + ",i,0x01"; c.holder != "" && p.holder.initiator != want || c.holder == "" && p.holder != (ports{}) {
				t.Errorf("%s: %q holds", c.name, p.holder)
			}
			if got := r.may(); got != c.may {
				t.Errorf("%s: may %q", c.name, got)
			}
			slices.Sort(r.aborted)
			if want := action == actPreemptAbort; string(r.aborted) != c.aborted && want || len(r.aborted) > 0 && !want {
				t.Errorf("%s: aborted %q", c.name, r.aborted)
			}
		}
	}
	r := newRoom(t, nil)
	r.must(r.out('a', actRegister, 0, 0, 1, 0))
	r.must(r.out('a', actReserve, exclusive, 1, 0, 0))
	if s := r.out('a', actPreempt, 2, 1, 1, 0); s != badField(2) {
		t.Errorf("preempt to no type: %v", s)
	}
}

func TestClear(t *testing.T) {
	r := newRoom(t, nil)
	r.must(r.out('a', actRegister, 0, 0, 1, 0))
	r.must(r.out('b', actRegister, 0, 0, 2, 0))
	r.must(r.out('a', actReserve, exclusive, 1, 0, 0))
	r.must(r.out('b', actClear, 0, 2, 0, 0))
	if got := r.news(); got != "a:2a03" {
		t.Errorf("news %q", got)
	}
	if keys, generation := r.keys(); len(keys) != 0 || generation != 3 {
		t.Errorf("keys %q, generation %d", keys, generation)
	}
}

// What each command needs under a reservation of another.
func TestReservationConflicts(t *testing.T) {
	r := newRoom(t, nil)
	r.must(r.out('a', actRegister, 0, 0, 1, 0))
	for kind, cdbs := range map[byte]map[string]bool{
		writeExclusive: {
			"00": true, "03 00 00 00 12": true, "12 00 00 00 24": true, "1a 00 3f 00 ff": true, "25": true,
			"1e 00 00 00 00": true, "1e 00 00 00 01": false, "1b 00 00 00 01": true, "1b 00 00 00 00": false,
			"a0 00 00 000000 00000100": true, "4d 00 40 00 00 0000 00ff": true, "15 10 00 00 00": false,
			"35": false, "42 00 00000000 00 0000 00": false, "41 00 00000000 00 0001 00": false,
			"89 00 0000000000000000 000000 01": false, "2f 00 00000000 00 0001 00": true, "34": true,
			"2f 02 00000000 00 0001 00": true, "2e 00 00000000 00 0001 00": false, "9e 12 0000000000000000 000000ff": true,
		},
		exclusive: {
			"00": true, "1a 00 3f 00 ff": false, "25": true, "28": false, "2f 00 00000000 00 0001 00": false,
			"34": false, "9e 10 0000000000000000 000000ff": true, "9e 12 0000000000000000 000000ff": false,
			"a3 0c 00 00 0000 000000ff": false, "5e 00 00 00000000 ffff": true, "16": false, "17": true,
		},
	} {
		r.must(r.out('a', actReserve, kind, 1, 0, 0))
		for s, want := range cdbs {
			var c Command
			if got := r.d.Decode(r.ports['c'], 0, cdb(t, s), &c); s != "16" && (got != conflict) != want {
				t.Errorf("type %d, %s: %v", kind, s, got)
			}
		}
		r.must(r.out('a', actRelease, kind, 1, 0, 0))
	}
	// SPC-2's way is closed once anybody has registered.
	for _, s := range []string{"16", "17"} {
		if _, s := do(t, r.d, r.ports['c'], s, nil); s != conflict {
			t.Errorf("RESERVE or RELEASE beside a registration: %v", s)
		}
	}
}

func TestReserve6(t *testing.T) {
	r := newRoom(t, nil)
	may := func(when, want string) {
		t.Helper()
		if got := r.may(); got != want {
			t.Errorf("%s: may %q, want %q", when, got, want)
		}
	}
	run := func(who byte, s string) Sense {
		_, sense := do(t, r.d, r.ports[who], s, nil)
		return sense
	}
	r.must(run('a', "56"))
	may("reserved by RESERVE (10)", "a-- a--")
	r.must(run('b', "57"))
	may("b has released by RELEASE (10) what it has not", "a-- a--")
	r.must(run('a', "57"))
	may("released by RELEASE (10)", "abc abc")
	r.must(run('a', "16"))
	r.must(run('a', "16"))
	may("reserved", "a-- a--")
	for s, want := range map[string]bool{"16": false, "17": true, "00": false, "12 00 00 00 24": true, "a0 00 00 000000 00000100": true, "03": true, "25": false} {
		if got := run('b', s); (got != conflict) != want {
			t.Errorf("b, %s: %v", s, got)
		}
	}
	for _, who := range []byte("ab") {
		if _, s := do(t, r.d, r.ports[who], "5e 00 00 00000000 ffff", nil); s != conflict {
			t.Errorf("%c, PERSISTENT RESERVE IN: %v", who, s)
		}
	}
	may("b has released what it has not", "a-- a--")
	r.must(run('a', "17"))
	may("released", "abc abc")
	r.must(run('a', "16"))
	r.ports['a'].Leave()
	r.join('a')
	may("the nexus was lost", "abc abc")
	r.must(run('b', "16"))
	r.target.Reset(UnitReset, r.d)
	if got := r.news(); got != "a:2903 b:2903 c:2903" {
		t.Error(got)
	}
	may("the unit was reset", "abc abc")
	if s := run('a', "16 11"); s != badField(1) {
		t.Errorf("for a third party: %v", s)
	}
	// A reset is told before the conflict, other news after it.
	r.must(run('b', "16"))
	r.ports['a'].Notify(0, CapacityChanged)
	if s := run('a', "00"); s != conflict {
		t.Error(s)
	}
	r.ports['a'].Notify(0, UnitReset)
	if s := run('a', "00"); s != UnitReset.Sense() {
		t.Error(s)
	}
}

func TestPersistentIn(t *testing.T) {
	r := newRoom(t, nil)
	r.must(r.out('a', actRegister, 0, 0, 0x0102030405060708, 0))
	r.must(r.out('b', actRegister, 0, 0, 2, 0))
	r.must(r.out('b', actReserve, exclusiveRegistrants, 2, 0, 0))
	transport := "45 00 0014" + string(hexOf([]byte("iqn.a,i,0x01"))) + "0000000000000000"
	for action, want := range map[byte]string{
		actReadKeys:           "00000002 00000010 0102030405060708 0000000000000002",
		actReadReservation:    "00000002 00000010 0000000000000002 00000000 00 06 0000",
		actReportCapabilities: "0008 04 80 ea01 0000",
		actReadFullStatus: "00000002 00000060 0102030405060708 00000000 00 00 00000000 0001 00000018" + transport +
			"0000000000000002 00000000 01 06 00000000 0001 00000018" + "45 00 0014" + string(hexOf([]byte("iqn.b,i,0x01"))) + "0000000000000000",
	} {
		if b := r.in('c', action); !bytes.Equal(b, unhex(t, want)) {
			t.Errorf("action %d:\n got % x\nwant % x", action, b, unhex(t, want))
		}
	}
}

// shelf is a Keeper in memory.
type shelf struct {
	data []byte
	err  error
	n    int
}

func (s *shelf) Load() ([]byte, error) { return s.data, s.err }

func (s *shelf) Keep(data []byte) error {
	if s.err != nil {
		return s.err
	}
	s.data, s.n = bytes.Clone(data), s.n+1
	return nil
}

// With APTPL everything is there after a restart; without it nothing is.
func TestReservationsAreKept(t *testing.T) {
	k := new(shelf)
	r := newRoom(t, k)
	r.must(r.out('a', actRegister, 0, 0, 1, 0x01))
	r.must(r.out('b', actRegister, 0, 0, 1<<63, 0x01))
	r.must(r.out('b', actReserve, exclusiveRegistrants, 1<<63, 0, 0))
	if b := r.in('a', actReportCapabilities); b[2] != 0x05 || b[3] != 0x81 {
		t.Errorf("capabilities % x", b)
	}
	again := newRoom(t, k)
	if got := again.may(); got != "ab- ab-" {
		t.Errorf("after a restart: %q", got)
	}
	again.must(again.out('b', actRelease, exclusiveRegistrants, 1<<63, 0, 0))
	again.news()
	again.must(again.out('b', actReserve, writeExclusiveAll, 1<<63, 0, 0))
	if got := newRoom(t, k).may(); got != "abc ab-" {
		t.Errorf("after another: %q", got)
	}
	// The last REGISTER says whether it is kept.
	again.must(again.out('a', actRegister, 0, 1, 5, 0))
	if len(k.data) != 0 {
		t.Errorf("kept %q", k.data)
	}
	n := k.n
	again.must(again.out('a', actRegister, 0, 5, 6, 0))
	if k.n != n {
		t.Error("what is not to be kept was kept")
	}
}

// What cannot be kept has not happened.
func TestReservationNotKept(t *testing.T) {
	k := new(shelf)
	r := newRoom(t, k)
	r.must(r.out('a', actRegister, 0, 0, 1, 0x01))
	k.err = errors.New("disk is full")
	for _, s := range []Sense{r.out('a', actReserve, exclusive, 1, 0, 0), r.out('b', actRegister, 0, 0, 1, 0x01), r.out('a', actRegister, 0, 1, 2, 0)} {
		if s != internalFailure {
			t.Errorf("got %v", s)
		}
	}
	if got := r.may(); got != "abc abc" {
		t.Errorf("may %q", got)
	}
	if keys, generation := r.keys(); string(keys) != "\x01" || generation != 1 {
		t.Errorf("keys %q, generation %d", keys, generation)
	}
	if err := NewDisk(&ram{}, testID).KeepReservations(k); !errors.Is(err, k.err) {
		t.Errorf("loaded with %v", err)
	}
}

func TestKeptReservationsRefused(t *testing.T) {
	for _, data := range []string{
		`x`, `{}`, `{"version":3}`, `{"version":2,"holderTarget":"t"}`, `{"version":1,"holder":"a"}`, `{"version":1,"type":2,"registrations":[{"port":"a","key":"1"}]}`,
		`{"version":1,"type":1,"holder":"b","registrations":[{"port":"a","key":"1"}]}`,
		`{"version":1,"type":7,"holder":"a","registrations":[{"port":"a","key":"1"}]}`,
		`{"version":1,"registrations":[{"port":"a","key":"0"}]}`,
		`{"version":1,"registrations":[{"port":"a","key":"1"},{"port":"a","key":"1"}]}`,
	} {
		if err := NewDisk(&ram{}, testID).KeepReservations(&shelf{data: []byte(data)}); err == nil {
			t.Errorf("%s was taken", data)
		}
	}
}

// FuzzKept reads what a Keeper gives back; what is taken can be kept again.
func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"version":1,"type":5,"holder":"a","registrations":[{"port":"a","key":"1"},{"port":"b","key":"18446744073709551615"}]}`))
	f.Add([]byte(`{"version":1,"type":8,"registrations":[{"port":"a","key":"1"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePersistent(data)
		if err != nil {
			return
		}
		b, err := p.encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodePersistent(b); err != nil || !slices.Equal(again.list, p.list) || again.kind != p.kind || again.holder != p.holder {
			t.Fatalf("%s becomes %s: %v", data, b, err)
		}
	})
}

// FuzzReservations plays commands of three initiators: who holds a reservation
// is registered, and nobody is registered twice.
func FuzzReservations(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 1, 1, 1, 0, 0, 1, 4, 3, 2, 1, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		k := new(shelf)
		r := newRoom(t, k)
		for ; len(script) >= 6; script = script[6:] {
			who := "abc"[script[0]%3]
			r.out(who, script[1]%7, script[2]%9, uint64(script[3]%4), uint64(script[4]%4), script[5]&1)
			p := r.d.res.persistent.Load()
			if p.kind != noReservation && !p.all() && !p.registered(p.holder) || p.all() && len(p.list) == 0 {
				t.Fatalf("reservation without a holder: %+v", p)
			}
			if p.keep {
				if _, err := decodePersistent(k.data); err != nil {
					t.Fatalf("%s: %v", k.data, err)
				}
			} else if len(k.data) > 0 {
				t.Fatalf("kept %s", k.data)
			}
			r.news()
		}
	})
}
