package scsi

import "encoding/binary"

// Profiles of a drive (MMC-6, 5.3.1).
const (
	profileCD  = 0x0008
	profileDVD = 0x0010
)

// feature is what GET CONFIGURATION tells of one.
type feature struct {
	code    uint16
	version byte
	// current: it is in force; of those that are not persistent, with this
	// disc.
	current, persistent bool
	data                []byte
}

// profile is that of the disc: what does not fit on a CD of 80 minutes is a
// DVD.
func (d *Disk) profile() uint16 {
	const minute = 60 * 75 // blocks
	if d.blocks() > 80*minute {
		return profileDVD
	}
	return profileCD
}

// features are all, in order (MMC-6, 5.3).
func (d *Disk) features() []feature {
	cd := d.profile() == profileCD
	profiles := []byte{profileDVD >> 8, profileDVD & 0xff, 0, 0, profileCD >> 8, profileCD & 0xff, 0, 0}
	profiles[2], profiles[6] = bit(!cd), bit(cd)
	return []feature{
		{0x0000, 0, true, true, profiles},
		{0x0001, 2, true, true, []byte{0, 0, 0, 1 /* SCSI */, 0, 0, 0, 0}},    // core
		{0x0002, 1, true, true, []byte{0, 0, 0, 0}},                           // morphing: ask for events
		{0x0003, 0, true, true, []byte{0, 0, 0, 0}},                           // removable medium, never removed
		{0x0010, 0, true, false, []byte{0, 0, discBlock >> 8, 0, 0, 1, 0, 0}}, // random readable
		{0x001e, 2, cd, false, []byte{0, 0, 0, 0}},                            // reads CDs
		{0x001f, 0, !cd, false, nil},                                          // reads DVDs
		{0x0100, 0, true, true, nil},                                          // power management
		{0x0105, 1, true, true, []byte{0, 0, 0, 0}},                           // timeout
	}
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// getConfiguration answers GET CONFIGURATION (MMC-6, 6.5):
//
//	0 | length, 4 | reserved, 2 | current profile, 2 | features
func getConfiguration(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	const all, inForce, one = 0, 1, 2
	start, from := len(b), c.CDB.u16(2)
	b = append(b, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, d.profile())
	for _, f := range d.features() {
		wanted := f.code >= from
		switch c.CDB[1] & 0x03 {
		case all:
		case inForce:
			wanted = wanted && f.current
		case one:
			wanted = f.code == from
		default:
			return b, badField(1)
		}
		if wanted {
			b = f.append(b)
		}
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, Sense{}
}

// append appends the descriptor:
//
//	0 | code, 2 | version, persistent, current | length | data
func (f *feature) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, f.code)
	b = append(b, f.version<<2|bit(f.persistent)<<1|bit(f.current), byte(len(f.data)))
	return append(b, f.data...)
}
