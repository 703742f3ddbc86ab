package scsi

// Operation codes (SPC-4, SBC-3).
const (
	opTestUnitReady    = 0x00
	opRequestSense     = 0x03
	opRead6            = 0x08
	opWrite6           = 0x0a
	opInquiry          = 0x12
	opReserve6         = 0x16
	opRelease6         = 0x17
	opModeSelect6      = 0x15
	opDiagnostic       = 0x1d
	opModeSense6       = 0x1a
	opStartStopUnit    = 0x1b
	opPreventRemoval   = 0x1e
	opDefects10        = 0x37
	opReadCapacity10   = 0x25
	opRead10           = 0x28
	opWrite10          = 0x2a
	opWriteVerify10    = 0x2e
	opVerify10         = 0x2f
	opPrefetch10       = 0x34
	opSynchronize10    = 0x35
	opWriteSame10      = 0x41
	opUnmap            = 0x42
	opLogSense         = 0x4d
	opModeSelect10     = 0x55
	opReserve10        = 0x56
	opRelease10        = 0x57
	opPersistentIn     = 0x5e
	opPersistentOut    = 0x5f
	opModeSense10      = 0x5a
	opExtendedCopy     = 0x83
	opCopyResults      = 0x84
	opRead16           = 0x88
	opCompareWrite     = 0x89
	opWrite16          = 0x8a
	opOrWrite16        = 0x8b
	opWriteVerify16    = 0x8e
	opVerify16         = 0x8f
	opPrefetch16       = 0x90
	opSynchronize16    = 0x91
	opWriteSame16      = 0x93
	opServiceActionIn  = 0x9e
	opReportLUNs       = 0xa0
	opMaintenanceIn    = 0xa3
	opRead12           = 0xa8
	opWrite12          = 0xaa
	opWriteVerify12    = 0xae
	opVerify12         = 0xaf
	opDefects12        = 0xb7
	actPortGroups      = 0x0a // of opMaintenanceIn
	actTaskFunctions   = 0x0d // of opMaintenanceIn
	actReadCapacity16  = 0x10 // of opServiceActionIn
	actGetLBAStatus    = 0x12 // of opServiceActionIn
	actReportOpcodes   = 0x0c // of opMaintenanceIn
	serviceActionMask  = 0x1f
	serviceActionField = 1
)

// operation is one supported command.
type operation struct {
	code   byte
	action byte // service action, if hasAction
	has    bool // hasAction
	access access
	// usage has a one for each bit of the CDB that is looked at, as REPORT
	// SUPPORTED OPERATION CODES wants it; its length is that of the CDB.
	usage  string
	decode func(d *Disk, cdb *CDB, c *Command) Sense
	answer func(d *Disk, c *Command, b []byte) ([]byte, Sense) // Control only
	next   *operation                                          // another service action of the same code
}

const (
	lba32 = "\xff\xff\xff\xff"
	lba64 = lba32 + lba32
)

// commandSet is what a type of device supports, by operation code.
type commandSet [256]*operation

// The command sets are filled at start-up because they and REPORT SUPPORTED
// OPERATION CODES refer to each other.
var diskCommands, discCommands commandSet

func init() {
	diskCommands.fill(supported())
	discCommands.fill(discSupported())
}

func (s *commandSet) fill(list []operation) {
	for _, o := range list {
		o.next = s[o.code]
		s[o.code] = &o
	}
}

// find returns the operation of a service action, nil if there is none.
func (op *operation) find(action byte) *operation {
	for ; op != nil && (!op.has || op.action != action); op = op.next {
	}
	return op
}

func supported() []operation {
	return []operation{
		{code: opTestUnitReady, access: free, usage: "\x00\x00\x00\x00\x00\x00", decode: decodeNothing},
		{code: opRequestSense, access: always, usage: "\x03\x01\x00\x00\xff\x00", decode: decodeAlloc8, answer: requestSense},
		{code: opRead6, access: reads, usage: "\x08\x1f\xff\xff\xff\x00", decode: decodeRead6},
		{code: opWrite6, usage: "\x0a\x1f\xff\xff\xff\x00", decode: decodeWrite6},
		{code: opInquiry, access: always, usage: "\x12\x03\xff\xff\xff\x00", decode: decodeInquiry, answer: inquiry},
		{code: opModeSelect6, usage: "\x15\x11\x00\x00\xff\x00", decode: decodeModeSelect6},
		{code: opReserve6, access: free, usage: "\x16\x1f\x00\x00\x00\x00", decode: decodeReserve6},
		{code: opRelease6, access: always, usage: "\x17\x1f\x00\x00\x00\x00", decode: decodeReserve6},
		{code: opModeSense6, access: reads, usage: "\x1a\x08\xff\xff\xff\x00", decode: decodeAlloc8, answer: modeSense6},
		{code: opStartStopUnit, access: free, usage: "\x1b\x01\x00\x0f\xf7\x00", decode: decodeStartStop},
		{code: opPreventRemoval, access: free, usage: "\x1e\x00\x00\x00\x03\x00", decode: decodeNothing},
		{code: opDiagnostic, access: reads, usage: "\x1d\xf4\x00\xff\xff\x00", decode: decodeDiagnostic},
		{code: opDefects10, access: reads, usage: "\x37\x00\x1f\x00\x00\x00\x00\xff\xff\x00", decode: decodeDefects10, answer: defects10},
		{code: opReadCapacity10, access: free, usage: "\x25\x00" + lba32 + "\x00\x00\x01\x00", decode: decodeCapacity10, answer: readCapacity10},
		{code: opRead10, access: reads, usage: "\x28\xf8" + lba32 + "\x00\xff\xff\x00", decode: decodeRead10},
		{code: opWrite10, usage: "\x2a\xf8" + lba32 + "\x00\xff\xff\x00", decode: decodeWrite10},
		{code: opWriteVerify10, usage: "\x2e\xf6" + lba32 + "\x00\xff\xff\x00", decode: decodeWriteVerify10},
		{code: opVerify10, access: reads, usage: "\x2f\xf6" + lba32 + "\x00\xff\xff\x00", decode: decodeVerify10},
		{code: opPrefetch10, access: reads, usage: "\x34\x02" + lba32 + "\x00\xff\xff\x00", decode: decodePrefetch10},
		{code: opSynchronize10, usage: "\x35\x02" + lba32 + "\x00\xff\xff\x00", decode: decodeSync10},
		{code: opWriteSame10, usage: "\x41\xf8" + lba32 + "\x00\xff\xff\x00", decode: decodeWriteSame10},
		{code: opUnmap, usage: "\x42\x01\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeUnmap},
		{code: opLogSense, access: free, usage: "\x4d\x03\xff\xff\x00\xff\xff\xff\xff\x00", decode: decodeLogSense, answer: logSense},
		{code: opModeSelect10, usage: "\x55\x11\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeModeSelect10},
		{code: opReserve10, access: free, usage: "\x56\x12\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeReserve10},
		{code: opRelease10, access: always, usage: "\x57\x12\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeReserve10},
		{code: opModeSense10, access: reads, usage: "\x5a\x18\xff\xff\x00\x00\x00\xff\xff\x00", decode: decodeAlloc16, answer: modeSense10},
		{code: opPersistentIn, action: actReadKeys, has: true, access: free,
			usage: "\x5e\x00\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeAlloc16, answer: persistentIn},
		{code: opPersistentIn, action: actReadReservation, has: true, access: free,
			usage: "\x5e\x01\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeAlloc16, answer: persistentIn},
		{code: opPersistentIn, action: actReportCapabilities, has: true, access: free,
			usage: "\x5e\x02\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeAlloc16, answer: reportCapabilities},
		{code: opPersistentIn, action: actReadFullStatus, has: true, access: free,
			usage: "\x5e\x03\x00\x00\x00\x00\x00\xff\xff\x00", decode: decodeAlloc16, answer: persistentIn},
		{code: opPersistentOut, action: actRegister, has: true, access: free,
			usage: "\x5f\x00\x00\x00\x00\xff\xff\xff\xff\x00", decode: decodePersistentOut},
		{code: opPersistentOut, action: actReserve, has: true, access: free,
			usage: "\x5f\x01\xff\x00\x00\xff\xff\xff\xff\x00", decode: decodePersistentOut},
		{code: opPersistentOut, action: actRelease, has: true, access: free,
			usage: "\x5f\x02\xff\x00\x00\xff\xff\xff\xff\x00", decode: decodePersistentOut},
		{code: opPersistentOut, action: actClear, has: true, access: free,
			usage: "\x5f\x03\x00\x00\x00\xff\xff\xff\xff\x00", decode: decodePersistentOut},
		{code: opPersistentOut, action: actPreempt, has: true, access: free,
			usage: "\x5f\x04\xff\x00\x00\xff\xff\xff\xff\x00", decode: decodePersistentOut},
		{code: opPersistentOut, action: actPreemptAbort, has: true, access: free,
			usage: "\x5f\x05\xff\x00\x00\xff\xff\xff\xff\x00", decode: decodePersistentOut},
		{code: opPersistentOut, action: actRegisterIgnore, has: true, access: free,
			usage: "\x5f\x06\x00\x00\x00\xff\xff\xff\xff\x00", decode: decodePersistentOut},
		{code: opExtendedCopy, action: 0, has: true,
			usage: "\x83\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00", decode: decodeExtendedCopy},
		{code: opCopyResults, action: actCopyStatus, has: true, access: reads,
			usage: "\x84\x00\xff\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00", decode: decodeCopyResults, answer: copyResults},
		{code: opCopyResults, action: actCopyOperating, has: true, access: reads,
			usage: "\x84\x03\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00", decode: decodeCopyResults, answer: copyOperating},
		{code: opRead16, access: reads, usage: "\x88\xf8" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodeRead16},
		{code: opCompareWrite, usage: "\x89\xf8" + lba64 + "\x00\x00\x00\xff\x00\x00", decode: decodeCompareWrite},
		{code: opWrite16, usage: "\x8a\xf8" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodeWrite16},
		{code: opOrWrite16, usage: "\x8b\xf8" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodeOrWrite},
		{code: opWriteVerify16, usage: "\x8e\xf6" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodeWriteVerify16},
		{code: opVerify16, access: reads, usage: "\x8f\xf6" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodeVerify16},
		{code: opPrefetch16, access: reads, usage: "\x90\x02" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodePrefetch16},
		{code: opSynchronize16, usage: "\x91\x02" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodeSync16},
		{code: opWriteSame16, usage: "\x93\xf9" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodeWriteSame16},
		{code: opServiceActionIn, action: actReadCapacity16, has: true, access: free,
			usage: "\x9e\x10" + lba64 + "\xff\xff\xff\xff\x01\x00", decode: decodeCapacity16, answer: readCapacity16},
		{code: opServiceActionIn, action: actGetLBAStatus, has: true, access: reads,
			usage: "\x9e\x12" + lba64 + "\xff\xff\xff\xff\x00\x00", decode: decodeLBAStatus, answer: lbaStatus},
		{code: opReportLUNs, access: always, usage: "\xa0\x00\xff\x00\x00\x00\xff\xff\xff\xff\x00\x00", decode: decodeReportLUNs, answer: reportLUNs},
		{code: opMaintenanceIn, action: actPortGroups, has: true, access: free,
			usage: "\xa3\xea\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00", decode: decodeAlloc32, answer: targetPortGroups},
		{code: opMaintenanceIn, action: actTaskFunctions, has: true, access: reads,
			usage: "\xa3\x0d\x80\x00\x00\x00\xff\xff\xff\xff\x00\x00", decode: decodeAlloc32, answer: taskFunctions},
		{code: opMaintenanceIn, action: actReportOpcodes, has: true, access: reads,
			usage: "\xa3\x0c\x87\xff\xff\xff\xff\xff\xff\xff\x00\x00", decode: decodeAlloc32, answer: reportOpcodes},
		{code: opDefects12, access: reads, usage: "\xb7\x1f\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00", decode: decodeAlloc32, answer: defects12},
		{code: opRead12, access: reads, usage: "\xa8\xf8" + lba32 + "\xff\xff\xff\xff\x00\x00", decode: decodeRead12},
		{code: opWrite12, usage: "\xaa\xf8" + lba32 + "\xff\xff\xff\xff\x00\x00", decode: decodeWrite12},
		{code: opWriteVerify12, usage: "\xae\xf6" + lba32 + "\xff\xff\xff\xff\x00\x00", decode: decodeWriteVerify12},
		{code: opVerify12, access: reads, usage: "\xaf\xf6" + lba32 + "\xff\xff\xff\xff\x00\x00", decode: decodeVerify12},
	}
}
