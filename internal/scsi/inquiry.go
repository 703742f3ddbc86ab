package scsi

import "encoding/binary"

// Vital product data pages (SPC-4, 7.8; SBC-3, 6.5).
const (
	vpdSupported    = 0x00
	vpdSerial       = 0x80
	vpdIdentifiers  = 0x83
	vpdExtended     = 0x86
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
		return d.vitalProduct(c, b)
	}
	return d.standardInquiry(b), Sense{}
}

// versions are the version descriptors of standard INQUIRY data: what the
// unit follows (SPC-4, annex E).
var versions = [...]uint16{0x00a0 /* SAM-5 */, 0x0960 /* iSCSI */, 0x0460 /* SPC-4 */}

const (
	versionSBC3 = 0x04c0
	versionMMC6 = 0x04e0
)

func (d *Disk) standardInquiry(b []byte) []byte {
	var p [96]byte
	const implicit, extendedCopy = 0x10 /* TPGS */, 0x08 /* 3PC */
	last := uint16(versionSBC3)
	switch p[0] = d.kind; d.kind {
	case typeDisk:
		p[5] = implicit | extendedCopy
	case typeDisc:
		p[1] = 0x80 // RMB
		p[5] = implicit
		last = versionMMC6
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
	binary.BigEndian.PutUint16(p[58+2*len(versions):], last)
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

func (d *Disk) vitalProduct(c *Command, b []byte) ([]byte, Sense) {
	page := c.CDB[2]
	start := len(b)
	b = append(b, d.kind, page, 0, 0)
	if d.kind != typeDisk && page >= vpdBlockLimits { // those are of disks
		return b, badField(2)
	}
	switch page {
	case vpdSupported:
		b = append(b, vpdSupported, vpdSerial, vpdIdentifiers, vpdExtended)
		if d.kind == typeDisk {
			b = append(b, vpdBlockLimits, vpdCharacter, vpdProvisioning)
		}
	case vpdSerial:
		b = append(b, d.id.Serial...)
	case vpdIdentifiers:
		b = d.identifiers(c.nexus.target.port, b)
	case vpdExtended:
		// HEADSUP, ORDSUP, SIMPSUP: the transport's order of commands; V_SUP: a
		// volatile cache; LUICLR: changed LUNs are told by one unit for all.
		b = append(b, 0, 0x07, 0x01, 0x01)
		b = append(b, make([]byte, 56)...)
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

// identifiers is page 83h (SPC-4, 7.8.6): the names of the disk, and of the
// target's port that it is reached by.
func (d *Disk) identifiers(by string, b []byte) []byte {
	for _, id := range d.designators() {
		b = append(b, id...)
	}
	if by == "" {
		return b
	}
	const iscsi, binaryCode, utf8Code = 0x50, 0x01, 0x03
	const port, relative, group, name = 0x90 /* PIV; of the target port */, 0x04, 0x05, 0x08
	b = append(b, iscsi|binaryCode, port|relative, 0, 4, 0, 0, 0, portNumber)
	b = append(b, iscsi|binaryCode, port|group, 0, 4, 0, 0, 0, portGroup)
	size := min(len(by)/4*4+4, 252)
	b = append(b, iscsi|utf8Code, port|name, 0, byte(size))
	padded := make([]byte, size)
	copy(padded[:size-1], by)
	return append(b, padded...)
}

// designators are the names by which hosts keep a disk apart from all others
// (multipath, /dev/disk/by-id): a locally assigned NAA number, an EUI-64-based
// one of 16 bytes, and the T10 vendor identification.
func (d *Disk) designators() [][]byte {
	const binaryCode, asciiCode = 0x01, 0x02
	const t10, eui64, naa = 0x01, 0x02, 0x03
	local := []byte{binaryCode, naa, 0, 8, 0x30 | d.id.UUID[8]&0x0f /* NAA 3: locally assigned */}
	local = append(local, d.id.UUID[9:16]...)
	extended := append([]byte{binaryCode, eui64, 0, 16}, d.id.UUID[:]...)
	var vendor [8]byte
	pad(vendor[:], d.id.Vendor)
	named := []byte{asciiCode, t10, 0, byte(len(vendor) + len(d.id.Serial))}
	named = append(named, vendor[:]...)
	named = append(named, d.id.Serial...)
	return [][]byte{local, extended, named}
}

// optimalTransfer is one burst, in bytes.
const optimalTransfer = 256 << 10

// blockLimits is page B0h (SBC-3, 6.5.3). No maximum transfer length: reads
// and writes of any length are moved in pieces.
func (d *Disk) blockLimits(b []byte) []byte {
	var p [60]byte
	p[0] = 0x01 // WSNZ: WRITE SAME of 0 blocks is not "to the end"
	p[1] = byte(maxCompare / d.blockSize)
	perPhysical := physicalBlock / d.blockSize
	binary.BigEndian.PutUint16(p[2:], uint16(perPhysical))
	binary.BigEndian.PutUint32(p[8:], uint32(optimalTransfer/d.blockSize))
	if !d.id.ReadOnly {
		binary.BigEndian.PutUint32(p[16:], uint32(maxUnmap/d.blockSize))
		binary.BigEndian.PutUint32(p[20:], maxUnmapDescriptors)
		binary.BigEndian.PutUint32(p[24:], uint32(perPhysical)) // granularity
		binary.BigEndian.PutUint32(p[28:], 1<<31)               // UGAVALID, alignment 0
		binary.BigEndian.PutUint64(p[32:], uint64(maxSame/d.blockSize))
	}
	return append(b, p[:]...)
}
