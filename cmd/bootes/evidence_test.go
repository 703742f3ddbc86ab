package main

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/diagnose"
	peer "bootes.dev/internal/initiator"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/recorder"
)

var ipxeISID = [6]byte{0x40, 0, 0x27, 0x23, 0, 1}

// ipxe has a machine started, up to iPXE's login to its disk.
func (s *servedTarget) ipxe(machine, mac string) *guest {
	s.t.Helper()
	hw, err := net.ParseMAC(mac)
	s.ok(err)
	s.boot.DHCP(s.t.Context(), boot.Client{MAC: hw, Interface: "br0", Server: netip.MustParseAddr("10.0.0.1"), Firmware: loaders.BIOS, IPXE: true, Discover: true})
	boots, err := s.inv.Boots(s.t.Context(), machine)
	s.ok(err)
	m, err := s.inv.Machine(s.t.Context(), machine)
	s.ok(err)
	v, err := s.storage.CreateVolume(s.t.Context(), machine, m.Image, inventory.Persistent, "")
	s.ok(err)
	b, err := s.inv.SetBoot(s.t.Context(), boots[len(boots)-1].ID, func(b *inventory.Boot) { b.Volume = v.ID })
	s.ok(err)
	sess, err := peer.Dial(s.t.Context(), s.addr, peer.Options{
		Initiator: s.cfg.IQNPrefix + ":init:" + machine, Target: s.boot.Target(machine), User: b.User, Secret: b.Secret, ISID: ipxeISID,
	})
	s.ok(err)
	s.t.Cleanup(func() { sess.Close() })
	return &guest{sess, s, b}
}

// diagnosed waits for the diagnosis of a machine's newest boot.
func (s *servedTarget) diagnosed(machine string) (b recorder.Boot) {
	s.t.Helper()
	eventually(s.t, "a diagnosis of "+machine, func() bool {
		boots := s.rec.Boots(machine)
		if len(boots) > 0 {
			b = boots[0]
		}
		return b.Diagnosis != nil
	})
	return b
}

func TestWhatIsSeenOfDisks(t *testing.T) {
	const mac = "52:54:00:00:00:01"
	for kind, tt := range map[string]struct {
		image []byte
		fails func(s *servedTarget, g *guest)
	}{
		diagnose.NotBootable: {append(make([]byte, 600), make([]byte, 4<<20-600)...), func(s *servedTarget, g *guest) { s.ok(g.Close()) }},
		diagnose.DiskFull: {make([]byte, 4<<20), func(s *servedTarget, g *guest) {
			if err := g.disk(0).WriteAt(s.t.Context(), make([]byte, 64<<10), 1<<20); err == nil {
				s.t.Error("a write beyond the limit")
			}
		}},
	} {
		t.Run(kind, func(t *testing.T) {
			s := newServed(t)
			tt.image[700] = 1 // not blank, and no boot sector
			s.image("debian:12", false, tt.image)
			s.add("pc01", 1)
			_, err := s.inv.SetMachine(t.Context(), "pc01", func(m *inventory.Machine) error { m.Limit = 4096; return nil })
			s.ok(err)
			g := s.ipxe("pc01", mac)
			err = g.disk(0).ReadAt(t.Context(), make([]byte, 512), 0)
			s.ok(err)
			tt.fails(s, g)
			if b := s.diagnosed("pc01"); b.Diagnosis.Kind != kind {
				t.Errorf("%q, %+v", b.Outcome, b.Diagnosis)
			}
		})
	}
}

// TestDamagedDisk has its data file cut short while it is in use.
func TestDamagedDisk(t *testing.T) {
	s := newServed(t)
	disk := make([]byte, 4<<20)
	for i := range disk {
		disk[i] = byte(i)
	}
	s.image("debian:12", false, disk)
	s.add("pc01", 1)
	files, err := filepath.Glob(filepath.Join(s.cfg.Data, "layers", "*", "data"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	g := s.ipxe("pc01", "52:54:00:00:00:01")
	s.ok(os.Truncate(files[0], 1<<20))
	if err := g.disk(0).ReadAt(t.Context(), make([]byte, 4096), 2<<20); err == nil {
		t.Error("what is gone was read")
	}
	if b := s.diagnosed("pc01"); b.Diagnosis.Kind != diagnose.ImageCorrupt {
		t.Errorf("%q, %+v", b.Outcome, b.Diagnosis)
	}
}
