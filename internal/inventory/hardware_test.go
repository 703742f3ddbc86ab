package inventory

import (
	"fmt"
	"strings"
	"testing"

	"bootes.dev/internal/store"
)

func TestRealUUID(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"4C4C4544-0042-3510-8057-B4C04F4A4D32", "4c4c4544-0042-3510-8057-b4c04f4a4d32"},
		{"", ""},
		{"not a uuid", ""},
		{"00000000-0000-0000-0000-000000000000", ""},
		{"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", ""},
		{"03000200-0400-0500-0006-000700080009", ""},
		{"00020003-0004-0005-0006-000700080009", ""}, // the same, in the other byte order
		{"4c4c4544-0000-2010-8020-80c04f202020", ""},
	} {
		if got := RealUUID(tt.in); got != tt.want {
			t.Errorf("RealUUID(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSameUUIDInEitherByteOrder(t *testing.T) {
	const a, swapped, other = "00112233-4455-6677-8899-aabbccddeeff", "33221100-5544-7766-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeefe"
	if !SameUUID(a, swapped) || !SameUUID(a, strings.ToUpper(a)) || SameUUID(a, other) {
		t.Error("a UUID and its twin in the other byte order are one, others are not")
	}
}

func TestRealSerial(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{" 5CG1234XYZ ", "5CG1234XYZ"},
		{"VMware-56 4d 12", "VMware-56 4d 12"},
		{"To Be Filled By O.E.M.", ""},
		{"System Serial Number", ""},
		{"Default string", ""},
		{"0000000000", ""},
		{"XXXXXXX", ""},
		{"N/A", ""},
		{"-", ""},
		{"12", ""},
		{"a\x00b\x1b[2Jc", "ab[2Jc"},
		{"a\u009b2Jb\u202ec\xff", "a2Jbc"},
		{strings.Repeat("ä1", 40), strings.Repeat("ä1", 21)},
	} {
		if got := RealSerial(tt.in); got != tt.want {
			t.Errorf("RealSerial(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestIdentitiesAreIndexed(t *testing.T) {
	x := newSite(t)
	ctx := t.Context()
	x.image("debian:12")
	const u, twin = "00112233-4455-6677-8899-aabbccddeeff", "33221100-5544-7766-8899-aabbccddeeff"
	look := func(want string) {
		t.Helper()
		byUUID, err1 := x.MachinesByUUID(ctx, twin)
		bySerial, err2 := x.MachinesBySerial(ctx, "S/1")
		if got := fmt.Sprint(byUUID, bySerial); got != want || err1 != nil || err2 != nil {
			t.Errorf("found %s (%v, %v), want %s", got, err1, err2, want)
		}
	}
	x.machine("pc1", "debian:12")
	x.machine("pc2", "debian:12")
	look("[] []")
	learn := func(name string, h Hardware) Machine {
		t.Helper()
		m, err := x.Learn(ctx, name, h)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	learn("pc1", Hardware{UUID: u, Serial: "S/1"})
	look("[pc1] [pc1]")
	learn("pc2", Hardware{UUID: u, Serial: "None"})
	look("[pc1 pc2] [pc1]")
	if m := learn("pc1", Hardware{UUID: "11112233-4455-6677-8899-aabbccddeeff", Product: "Box", Memory: 1 << 30}); m.Hardware != (Hardware{UUID: u, Serial: "S/1", Product: "Box", Memory: 1 << 30}) {
		t.Errorf("what was known is forgotten: %+v", m.Hardware)
	}
	set := func(name, uuid string) {
		t.Helper()
		if _, err := x.SetMachine(ctx, name, func(m *Machine) error { m.UUID, m.Hardware.UUID = uuid, ""; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	set("pc1", "")
	look("[pc2] [pc1]")
	set("pc1", u)
	look("[pc2 pc1] [pc1]")
	if err := x.RemoveMachine(ctx, "pc1"); err != nil {
		t.Fatal(err)
	}
	look("[pc2] []")

	// A machine from before there was the index.
	if err := x.s.Update(ctx, func(tx *store.Tx) error { x.claims.In(tx).Delete("uuid/" + uuidKey(u)); return nil }); err != nil {
		t.Fatal(err)
	}
	look("[] []")
	for range 2 {
		if err := x.IndexIdentities(ctx); err != nil {
			t.Fatal(err)
		}
		look("[pc2] []")
	}
}

func TestBadIdentitiesAreRefused(t *testing.T) {
	x := newSite(t)
	x.image("debian:12")
	m := Machine{Name: "pc1", MACs: []string{"52:54:00:00:00:01"}, Image: "debian:12"}
	m.UUID = "03000200-0400-0500-0006-000700080009"
	_, err := x.AddMachine(t.Context(), m)
	wantErr[*InvalidError](t, err, `UUID "03000200-0400-0500-0006-000700080009" is not valid: it is one that boards have whose maker wrote none, so it tells no machine from another`)
	m.UUID, m.Serial = "", "To be filled by O.E.M."
	_, err = x.AddMachine(t.Context(), m)
	wantErr[*InvalidError](t, err, `serial number "To be filled by O.E.M." is not valid: it is what the firmware has, such as 5CG1234XYZ, without blanks around it; and not what makers write who write none`)
}
