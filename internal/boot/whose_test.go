package boot

import (
	"testing"

	"bootes.dev/internal/inventory"
)

const (
	uuidA = "aaaaaaaa-0000-4000-8000-000000000001"
	uuidB = "bbbbbbbb-0000-4000-8000-000000000002"
	uuidC = "cccccccc-0000-4000-8000-000000000003"
)

// What machine is a computer with the card of pc1, or with one that nobody has,
// when pc1 and pc2 are on record with this UUID and serial number?
func TestJudge(t *testing.T) {
	learnt := func(uuid, serial string) inventory.Machine {
		return inventory.Machine{Hardware: inventory.Hardware{UUID: uuid, Serial: serial}}
	}
	word := func(uuid, serial string) inventory.Machine { return inventory.Machine{UUID: uuid, Serial: serial} }
	none := learnt("", "")
	for name, tt := range map[string]struct {
		stranger     bool // the card is nobody's
		pc1, pc2     inventory.Machine
		uuid, serial string
		asked        bool
		want         string
	}{
		"nothing known":                          {pc1: none, want: "pc1"},
		"nothing known of pc1 yet":               {pc1: none, uuid: uuidA, want: "pc1"},
		"its own UUID":                           {pc1: learnt(uuidA, ""), uuid: uuidA, want: "pc1"},
		"its own UUID in the other byte order":   {pc1: learnt(uuidA, ""), uuid: "aaaaaaaa-0000-0040-8000-000000000001", want: "pc1"},
		"firmware that says no UUID":             {pc1: learnt(uuidA, ""), want: "pc1"},
		"its UUID, another serial number":        {pc1: learnt(uuidA, "S1"), uuid: uuidA, serial: "S2", asked: true, want: "pc1"},
		"dock of pc1 on pc2":                     {pc1: learnt(uuidA, ""), pc2: learnt(uuidB, ""), uuid: uuidB, want: "pc2 by hardware"},
		"that, serial number to be asked":        {pc1: learnt(uuidA, "S1"), pc2: learnt(uuidB, "S2"), uuid: uuidB, want: "pc2 by hardware, ask"},
		"that, serial number fits":               {pc1: learnt(uuidA, "S1"), pc2: learnt(uuidB, "S2"), uuid: uuidB, serial: "S2", asked: true, want: "pc2 by hardware"},
		"that, serial number does not fit":       {pc1: learnt(uuidA, "S1"), pc2: learnt(uuidB, "S2"), uuid: uuidB, serial: "S3", asked: true, want: "pc1 in doubt"},
		"dock of pc1, serial numbers alone":      {pc1: learnt("", "S1"), pc2: learnt("", "S2"), serial: "S2", asked: true, want: "pc2 by hardware"},
		"serial numbers alone, to be asked":      {pc1: learnt("", "S1"), pc2: learnt("", "S2"), want: "pc1, ask"},
		"UUID of a lot of boards":                {pc1: none, pc2: learnt(uuidB, ""), uuid: uuidB, want: "pc1"},
		"UUID that a person gave pc2":            {pc1: none, pc2: word(uuidB, ""), uuid: uuidB, want: "pc2 by hardware"},
		"serial that a person gave pc2":          {pc1: none, pc2: word("", "S2"), serial: "S2", asked: true, want: "pc2 by hardware"},
		"new board, or dock on a stranger":       {pc1: learnt(uuidA, ""), uuid: uuidC, want: "pc1 in doubt"},
		"that, and a person has said pc1's UUID": {pc1: word(uuidA, ""), uuid: uuidC, want: "pc1 in doubt, not"},
		"another serial number":                  {pc1: learnt("", "S1"), serial: "S3", asked: true, want: "pc1 in doubt"},
		"another serial number than was said":    {pc1: word("", "S1"), serial: "S3", asked: true, want: "pc1 in doubt, not"},

		"stranger":                                {stranger: true, uuid: uuidC, want: "nobody"},
		"stranger with a learnt UUID":             {stranger: true, pc2: learnt(uuidB, ""), uuid: uuidB, want: "nobody, like pc2"},
		"stranger with UUID and serial number":    {stranger: true, pc2: learnt(uuidB, "S2"), uuid: uuidB, serial: "S2", asked: true, want: "pc2 by hardware"},
		"stranger with UUID, other serial number": {stranger: true, pc2: learnt(uuidB, "S2"), uuid: uuidB, serial: "S3", asked: true, want: "nobody"},
		"stranger with a UUID by a person's word": {stranger: true, pc2: word(uuidB, ""), uuid: uuidB, want: "pc2 by hardware"},
	} {
		tt.pc1.Name = "pc1"
		if tt.stranger {
			tt.pc1.Name = ""
		}
		if tt.pc2.SystemUUID()+tt.pc2.SystemSerial() != "" {
			tt.pc2.Name = "pc2"
		}
		v := judge(tt.pc1, tt.pc2, inventory.Hardware{UUID: tt.uuid, Serial: tt.serial}, tt.asked)
		if got := v.text(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func (v verdict) text() string {
	s := "nobody"
	if v.known() {
		s = v.machine.Name
	}
	for text, is := range map[string]bool{" by hardware": v.byHardware, " in doubt": v.doubt != ""} {
		if is {
			s += text
		}
	}
	if v.ask {
		s += ", ask"
	}
	if v.not {
		s += ", not"
	}
	if v.like.Name != "" {
		s += ", like " + v.like.Name
	}
	return s
}

// Two machines that claim one UUID are told apart by their cards alone.
func TestSharedUUIDTellsNothing(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"pc1", "pc2"} {
		if _, err := h.Inventory.Learn(t.Context(), name, inventory.Hardware{UUID: uuidA}); err != nil {
			t.Fatal(err)
		}
	}
	for mac, want := range map[string]string{mac1: "pc1", mac2: "pc2", "52:54:00:00:00:99": "nobody"} {
		v, err := h.whose(t.Context(), parseMAC(mac), inventory.Hardware{UUID: uuidA}, true)
		if err != nil || v.text() != want {
			t.Errorf("%s: %s, %v; want %s", mac, v.text(), err, want)
		}
	}
}

func TestDoubtSaysWhatToDo(t *testing.T) {
	m := inventory.Machine{Name: "pc1", Hardware: inventory.Hardware{UUID: uuidA, Serial: "S 1"}}
	const end = "; if it is another computer with the network card or the dock of pc1, add that one by a card of its own"
	for h, want := range map[inventory.Hardware]string{
		{UUID: uuidB}:   "its UUID is " + uuidB + ", and pc1 has " + uuidA + ": if it is pc1 with a new board, `bootes machine set pc1 --uuid " + uuidB + "` says so" + end,
		{Serial: "S'2"}: `its serial number is S'2, and pc1 has S 1: if it is pc1 with a new board, ` + "`bootes machine set pc1 --serial 'S'\\''2'` says so" + end,
	} {
		if got := doubtful(m, h).doubt; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
