package scsi

import (
	"encoding/binary"
	"math/bits"
)

// Provisioning is the space of a thin disk, in bytes. Limit is what it may
// take, 0 for what the host has; from Warn on (0: never) it is nearly full, which
// whoever watches it tells by SoftThreshold.
type Provisioning struct{ Used, Limit, Warn int64 }

// thresholdUnit is what space is counted in, 1 MiB; to initiators, as a power
// of 2 of blocks (SBC-3, 6.5.4, VPD page B2h).
const thresholdUnit = 1 << 20

func units(n int64) uint32 { return uint32(min(max(n, 0)/thresholdUnit, 0xffffffff)) }

// thresholds is the body of the Logical Block Provisioning mode page (SBC-3,
// 6.4.6): one descriptor, "as soon as Used reaches Warn".
func (d *Disk) thresholds() []byte {
	const soft, increasing, enabled = 0 << 3, 1, 0x80
	const used = 0x02
	b := make([]byte, 12, 20)
	warn := d.id.Provisioning().Warn
	if warn <= 0 {
		return append(b, soft|increasing, used, 0, 0, 0, 0, 0, 0)
	}
	b = append(b, enabled|soft|increasing, used, 0, 0)
	return binary.BigEndian.AppendUint32(b, units(warn))
}

// provisioning is VPD page B2h.
func (d *Disk) provisioning(b []byte) []byte {
	if d.id.ReadOnly {
		return append(b, 0, 0, 0, 0)
	}
	exponent := byte(0)
	if d.id.Provisioning != nil {
		exponent = byte(bits.TrailingZeros64(uint64(thresholdUnit / d.blockSize)))
	}
	// LBPU, LBPWS, LBPWS10, LBPRZ: UNMAP and both WRITE SAMEs unmap, and
	// unmapped blocks read zero. Type 2: thin.
	return append(b, exponent, 0xe4, 0x02, 0)
}
