package scsi

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestReservationsReported(t *testing.T) {
	kept := new(shelf)
	r := newRoom(t, kept)
	if got := r.d.Reservations(); got.Any() || got.Type != "" {
		t.Errorf("%+v", got)
	}
	r.must(r.out('a', actRegister, 0, 0, 0xa, 1))
	r.must(r.out('b', actRegister, 0, 0, 0xb, 1))
	r.must(r.out('b', actReserve, writeExclusiveRegistrants, 0xb, 0, 0))
	const want = "{write exclusive, registrants only [iqn.b,i,0x01] [{iqn.a,i,0x01 10} {iqn.b,i,0x01 11}] true}"
	if got := fmt.Sprint(r.d.Reservations()); got != want {
		t.Errorf("now %s", got)
	}
	got, err := KeptReservations(kept.data)
	if err != nil || fmt.Sprint(got) != want {
		t.Errorf("kept %v %v", got, err)
	}
	if _, err := KeptReservations([]byte("{")); err == nil || !strings.HasPrefix(err.Error(), "read persistent reservations: ") {
		t.Errorf("%v", err)
	}
	if got, err := KeptReservations(nil); err != nil || got.Any() {
		t.Errorf("%+v %v", got, err)
	}
}

func TestReservationsCleared(t *testing.T) {
	kept := new(shelf)
	r := newRoom(t, kept)
	r.must(r.out('a', actRegister, 0, 0, 0xa, 1))
	r.must(r.out('a', actReserve, exclusive, 0xa, 0, 0))
	if got := r.may(); got != "a-- a--" {
		t.Errorf("may %q", got)
	}
	r.news()
	if err := r.d.ClearReservations(); err != nil {
		t.Fatal(err)
	}
	if len(kept.data) != 0 || r.d.Reservations().Any() {
		t.Errorf("%s is kept", kept.data)
	}
	if got := r.news(); got != "a:2a03 b:2a03 c:2a03" {
		t.Errorf("told %q", got)
	}
	if got := r.may(); got != "abc abc" {
		t.Errorf("may %q", got)
	}

	// What cannot be made durable is not done.
	r.must(r.out('a', actRegister, 0, 0, 0xa, 1))
	kept.err = errors.New("no room")
	if err := r.d.ClearReservations(); err == nil || err.Error() != "clear persistent reservations: no room" {
		t.Errorf("%v", err)
	}
	if !r.d.Reservations().Any() {
		t.Error("cleared all the same")
	}
}

// RESERVE (6) is told of like the others, and cleared with them.
func TestSimpleReservationReported(t *testing.T) {
	r := newRoom(t, nil)
	_, s := do(t, r.d, r.ports['b'], "16 00 00 00 00 00", nil)
	r.must(s)
	if got := fmt.Sprint(r.d.Reservations()); got != "{whole unit (RESERVE 6) [iqn.b,i,0x01] [] false}" || !r.d.Reservations().Any() {
		t.Errorf("now %s", got)
	}
	if got := r.may(); got != "-b- -b-" {
		t.Errorf("may %q", got)
	}
	if err := r.d.ClearReservations(); err != nil {
		t.Fatal(err)
	}
	r.news()
	if got := r.may(); got != "abc abc" || r.d.Reservations().Any() {
		t.Errorf("cleared: may %q, %+v", got, r.d.Reservations())
	}
}
