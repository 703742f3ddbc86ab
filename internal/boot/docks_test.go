package boot

import (
	"context"
	"strings"
	"testing"
	"time"

	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
)

// runs are targets on which one machine's system lives.
type runs struct {
	noTargets
	target string
}

func (r runs) Alive(_ context.Context, target string) (string, time.Time) {
	if target == r.target {
		return "pc2-1", time.Unix(0, 0)
	}
	return "", time.Time{}
}

func (h *house) learns(machine string, hw inventory.Hardware) {
	h.t.Helper()
	if _, err := h.Inventory.Learn(h.t.Context(), machine, hw); err != nil {
		h.t.Fatal(err)
	}
}

func TestUUIDIsLearntAtTheScript(t *testing.T) {
	h := newHouse(t)
	h.discovers(mac1, uuidA, false)
	h.discovers(mac1, uuidA, true)
	if m, _ := h.Inventory.Machine(t.Context(), "pc1"); m.Hardware.UUID != "" {
		t.Error("anybody can send DISCOVERs in its name")
	}
	h.wants("script", h.asks(mac1, addr1, ""), "imgfetch --name facts http://10.77.0.1/ipxe/52-54-00-00-00-01?report=1&facts=1&", "sanboot")
	user, _ := h.script(mac2, addr2)
	h.asks(mac2, addr2, "report=1&facts=1&serial=SN1") // it is not starting
	if m, _ := h.Inventory.Machine(t.Context(), "pc2"); user != "" || m.Hardware.Serial != "" {
		t.Errorf("learnt of a machine that does not boot: %+v", m.Hardware)
	}
	if got := h.asks(mac1, addr1, "report=1&facts=1&serial=SN1&uuid="+uuidB); got != "#!ipxe\n" {
		t.Errorf("answer to a report: %q", got)
	}
	if m, _ := h.Inventory.Machine(t.Context(), "pc1"); m.Hardware != (inventory.Hardware{UUID: uuidA, Serial: "SN1"}) {
		t.Errorf("learnt: %+v", m.Hardware)
	}
	h.wants("script", h.asks(mac1, addr1, ""), "not imgfetch", "sanboot")
}

func TestDockThatWasCarriedToAnotherMachine(t *testing.T) {
	h := newHouse(t)
	h.learns("pc1", inventory.Hardware{UUID: uuidA})
	h.learns("pc2", inventory.Hardware{UUID: uuidB})
	for _, ipxe := range []bool{false, true} {
		if a := h.discovers(mac1, uuidB, ipxe); a.Machine != "pc2" || a.Hostname != "pc2" || !a.Known || a.Filename == "" {
			t.Errorf("pc2 by the dock of pc1 is told %+v", a)
		}
	}
	h.wants("script", h.asks(mac1, addr1, ""), "set hostname pc2", prefix+":pc2 ||")
	if h.saidOf("pc2", "known by its UUID or serial number: its network card is not one of pc2") != 1 {
		t.Errorf("its timeline: %+v", h.Recorder.Boots("pc2"))
	}
	if _, err := h.admit("pc2-1"); err != nil {
		t.Error(err)
	}
	if a := h.discover(mac1, loaders.NoFirmware, false); a.Hostname != "pc2" {
		t.Errorf("its system is told that it is %s", a.Hostname)
	}
	if m, _ := h.Inventory.Machine(t.Context(), "pc1"); m.Hardware.UUID != uuidA {
		t.Errorf("of pc1 was learnt %+v", m.Hardware)
	}

	h.discovers(mac1, uuidA, true)
	h.wants("back on pc1", h.asks(mac1, addr1, ""), "set hostname pc1")
}

// Two computers that are taken for one machine have a boot each, so that the login
// of one ends the other's.
func TestTwoComputersNeverShareABoot(t *testing.T) {
	h := newHouse(t)
	h.learns("pc1", inventory.Hardware{UUID: uuidA})
	h.learns("pc2", inventory.Hardware{UUID: uuidB})
	h.discovers(mac2, uuidB, true)
	first, _ := h.script(mac2, addr2)
	h.discovers(mac1, uuidB, true)
	second, _ := h.script(mac1, addr1)
	if first == "" || second == "" || first == second {
		t.Errorf("boots %q and %q", first, second)
	}
	if _, text := h.script(mac2, addr2); !strings.Contains(text, "Bootes has not seen pc2 start: it starts over.") {
		t.Errorf("the first one got:\n%s", text)
	}
	h.discovers(mac2, uuidB, true)
	if third, _ := h.script(mac2, addr2); third == second || third == first {
		t.Errorf("boot %q again", third)
	}
}

func TestADiskInUseIsNobodyElses(t *testing.T) {
	h := newHouse(t)
	h.Targets = runs{target: prefix + ":pc2"}
	h.learns("pc1", inventory.Hardware{UUID: uuidA})
	h.learns("pc2", inventory.Hardware{UUID: uuidB})
	why := "its disk is in use: pc2 runs, by boot pc2-1 since " + time.Unix(0, 0).Format("2006-01-02 15:04:05")
	h.discovers(mac1, uuidB, true)
	h.wants("pc2 twice", h.asks(mac1, addr1, ""), "echo Bootes does not boot 52:54:00:00:00:01 as pc2:\necho "+why+"\n", "not sanboot")
	if !h.warned("pc2", "no script: "+why) {
		t.Errorf("its timeline: %+v", h.Recorder.Boots("pc2"))
	}
	h.later(time.Hour)
	h.discovers(mac2, uuidC, true)
	h.wants("pc2's card on another computer", h.asks(mac2, addr2, ""), "echo "+why+"\n", "not sanboot")
	h.later(time.Hour)
	h.discovers(mac2, uuidB, true)
	h.wants("pc2 itself, reset", h.asks(mac2, addr2, ""), "sanboot")
}

// After a restart of the server a running system is without a session for some
// seconds; its disk is its own all the same.
func TestADiskWhoseSystemMayComeBackIsNobodyElses(t *testing.T) {
	h := newHouse(t)
	h.learns("pc1", inventory.Hardware{UUID: uuidA})
	h.learns("pc2", inventory.Hardware{UUID: uuidB})
	h.discovers(mac2, uuidB, true)
	user, _ := h.script(mac2, addr2)
	if _, err := h.admit(user); err != nil {
		t.Fatal(err)
	}
	h.clock = time.Now().Add(time.Hour)
	h.started = h.clock
	h.discovers(mac1, uuidB, true)
	why := "its disk is in use: pc2 ran by boot " + user + " before this server started, and may come back to it until " + clock(h.started.Add(2*time.Minute))
	h.wants("too early", h.asks(mac1, addr1, ""), "echo "+why+"\n", "not sanboot")
	h.later(2 * time.Minute)
	h.discovers(mac1, uuidB, true)
	h.wants("later", h.asks(mac1, addr1, ""), "sanboot")
	h.clock, h.started = h.clock.Add(time.Hour), h.clock.Add(time.Hour)
	h.discovers(mac2, uuidB, true)
	h.wants("pc2 itself", h.asks(mac2, addr2, ""), "sanboot")
}

func TestNewBoard(t *testing.T) {
	h := newHouse(t)
	h.learns("pc1", inventory.Hardware{UUID: uuidA})
	h.discovers(mac1, uuidC, true)
	h.wants("learnt", h.asks(mac1, addr1, ""), "set hostname pc1", "sanboot")
	if !h.warned("pc1", "its UUID is "+uuidC+", and pc1 has "+uuidA+": if it is pc1 with a new board, `bootes machine set pc1 --uuid "+uuidC+"` says so") {
		t.Errorf("its timeline: %+v", h.Recorder.Boots("pc1"))
	}
	if _, err := h.Inventory.SetMachine(t.Context(), "pc1", func(m *inventory.Machine) error { m.UUID = uuidA; return nil }); err != nil {
		t.Fatal(err)
	}
	h.later(time.Hour)
	h.discovers(mac1, uuidC, true)
	h.wants("by a person's word", h.asks(mac1, addr1, ""), "echo Bootes does not boot 52:54:00:00:00:01 as pc1:\necho its UUID is "+uuidC, "not sanboot")
}

// Boards without a UUID are told apart by their serial numbers, which only iPXE
// can say.
func TestSerialNumbers(t *testing.T) {
	h := newHouse(t)
	h.learns("pc1", inventory.Hardware{Serial: "SN1", Product: "Box"})
	h.learns("pc2", inventory.Hardware{Serial: "SN2", Product: "Box"})
	for serial, machine := range map[string]string{"SN1": "pc1", "SN2": "pc2"} {
		h.later(time.Hour)
		h.discovers(mac1, "", true)
		h.wants("first", h.asks(mac1, addr1, ""), "?facts=1&", "not sanboot")
		h.wants(serial, h.asks(mac1, addr1, "facts=1&serial="+serial), "set hostname "+machine, "sanboot")
	}
}

// A UUID that a lot of boards share says nothing, also of a card that belongs to
// one of its machines: the serial number tells whose disk it is.
func TestDockBetweenMachinesThatShareAUUID(t *testing.T) {
	h := newHouse(t)
	h.learns("pc1", inventory.Hardware{UUID: uuidA, Serial: "SN1", Product: "Box"})
	h.learns("pc2", inventory.Hardware{UUID: uuidA, Serial: "SN2", Product: "Box"})
	for serial, machine := range map[string]string{"SN1": "pc1", "SN2": "pc2"} {
		h.later(time.Hour)
		h.discovers(mac1, uuidA, true)
		h.wants("first", h.asks(mac1, addr1, ""), "?facts=1&", "not sanboot")
		h.wants(serial, h.asks(mac1, addr1, "facts=1&uuid="+uuidA+"&serial="+serial), "set hostname "+machine, "sanboot")
	}
}

func TestMachineAddedMeanwhile(t *testing.T) {
	h := newPolicy(t, Unknown{})
	h.discovers(mac9, "", true)
	if _, err := h.Inventory.AddMachine(t.Context(), inventory.Machine{Name: "pc9", MACs: []string{mac9}, Image: "debian:12"}); err != nil {
		t.Fatal(err)
	}
	h.wants("script", h.asks(mac9, addr9, ""), "sanboot")
}
