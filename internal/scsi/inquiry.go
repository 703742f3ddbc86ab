package scsi

import "encoding/binary"

// Vital product data pages (SPC-4, 7.8; SBC-3, 6.5).
const (
	vpdSupported    = 0x00
	vpdSerial       = 0x80
	vpdIdentifiers  = 0x83
	vpdBlockLimits  = 0xb0
	vpdCharacter    = 0xb1
	vpdProvisioning = 0xb2
)

func decodeInquiry(_ *Disk, cdb *CDB, c *Command) Sense {
	if cdb[1]&0x02 != 0 { // CMDDT, obsolete
		return badField(1)
	}
	if cdb[1]&1 == 0 && cdb[2] != 0 {
		return badField(2)
	}
	c.Length = int64(cdb.u16(3))
	return Sense{}
}

func inquiry(d *Disk, c *Command, b []byte) ([]byte, Sense) {
	if c.CDB[1]&1 != 0 {
		if d.absent() {
			return b, noUnit
		}
		return d.vitalProduct(c.CDB[2], b)
	}
	return d.standardInquiry(b), Sense{}
}

// versions are the version descriptors of standard INQUIRY data: what this
// disk follows (SPC-4, annex E).
var versions = [...]uint16{0x00a0 /* SAM-5 */, 0x0960 /* iSCSI */, 0x0460 /* SPC-4 */, 0x04c0 /* SBC-3 */}

func (d *Disk) standardInquiry(b []byte) []byte {
	var p [96]byte
	if d.absent() {
		p[0] = 0x7f // no unit can be here
	}
	p[2] = 0x06 // SPC-4
	p[3] = 0x12 // HISUP, response format 2
	p[4] = byte(len(p) - 5)
	p[7] = 0x02 // CMDQUE
	pad(p[8:16], d.id.Vendor)
	pad(p[16:32], d.id.Product)
	pad(p[32:36], d.id.Revision)
	for i, v := range versions {
		binary.BigEndian.PutUint16(p[58+2*i:], v)
	}
	return append(b, p[:]...)
}

// pad copies s as printable ASCII, filled up with spaces.
func pad(dst []byte, s string) {
	for i := range dst {
		dst[i] = ' '
		if i < len(s) && s[i] > ' ' && s[i] < 0x7f {
			dst[i] = s[i]
		}
	}
}

func (d *Disk) vitalProduct(page byte, b []byte) ([]byte, Sense) {
	start := len(b)
	b = append(b, 0, page, 0, 0)
	switch page {
	case vpdSupported:
		b = append(b, vpdSupported, vpdSerial, vpdIdentifiers, vpdBlockLimits, vpdCharacter, vpdProvisioning)
	case vpdSerial:
		b = append(b, d.id.Serial...)
	case vpdIdentifiers:
		b = d.identifiers(b)
	case vpdBlockLimits:
		b = d.blockLimits(b)
	case vpdCharacter:
		b = append(b, 0, 1) // rotation rate 1: does not rotate
		b = append(b, make([]byte, 58)...)
	case vpdProvisioning:
		b = d.provisioning(b)
	default:
		return b, badField(2)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start-4))
	return b, Sense{}
}

// identifiers are the names by which hosts keep a disk apart from all others
// (multipath, /dev/disk/by-id): a locally assigned NAA number, an EUI-64-based
// one of 16 bytes, and the T10 vendor identification.
func (d *Disk) identifiers(b []byte) []byte {
	const binaryCode, asciiCode = 0x01, 0x02
	const t10, eui64, naa = 0x01, 0x02, 0x03
	b = append(b, binaryCode, naa, 0, 8)
	b = append(b, 0x30|d.id.UUID[8]&0x0f) // NAA 3: locally assigned
	b = append(b, d.id.UUID[9:16]...)
	b = append(b, binaryCode, eui64, 0, 16)
	b = append(b, d.id.UUID[:]...)
	var vendor [8]byte
	pad(vendor[:], d.id.Vendor)
	b = append(b, asciiCode, t10, 0, byte(len(vendor)+len(d.id.Serial)))
	b = append(b, vendor[:]...)
	return append(b, d.id.Serial...)
}

// blockLimits is page B0h (SBC-3, 6.5.3). No maximum transfer length: reads
// and writes of any length are moved in pieces.
func (d *Disk) blockLimits(b []byte) []byte {
	var p [60]byte
	p[0] = 0x01 // WSNZ: WRITE SAME of 0 blocks is not "to the end"
	p[1] = maxCompareBlocks
	binary.BigEndian.PutUint16(p[2:], blocksPerPhysical)
	binary.BigEndian.PutUint32(p[8:], 512) // optimal: 256 KiB, one burst
	if !d.id.ReadOnly {
		binary.BigEndian.PutUint32(p[16:], maxUnmapBlocks)
		binary.BigEndian.PutUint32(p[20:], maxUnmapDescriptors)
		binary.BigEndian.PutUint32(p[24:], blocksPerPhysical) // granularity
		binary.BigEndian.PutUint32(p[28:], 1<<31)             // UGAVALID, alignment 0
		binary.BigEndian.PutUint64(p[32:], maxSameBlocks)
	}
	return append(b, p[:]...)
}
