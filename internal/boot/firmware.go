package boot

// Firmware is the kind of program that asks, as far as it decides which
// loader it can run.
type Firmware string

// The kinds that are told apart (processor architecture types of RFC 4578,
// 2.1 and its IANA registry).
const (
	NoFirmware Firmware = ""
	BIOS       Firmware = "BIOS"
	EFI32      Firmware = "UEFI IA32"
	EFI64      Firmware = "UEFI x86-64"
	EFIARM64   Firmware = "UEFI arm64"
	HTTP64     Firmware = "UEFI x86-64 HTTP"
	HTTPARM64  Firmware = "UEFI arm64 HTTP"
	OtherROM   Firmware = "unknown firmware"
)

// loaders names iPXE's build for each firmware. snponly.efi and undionly.kpxe
// drive the NIC through the firmware's own driver, the one that has just been
// seen to work; native drivers sometimes hang when they take over.
var loaders = map[Firmware]string{
	BIOS:   "undionly.kpxe",
	EFI64:  "snponly.efi",
	HTTP64: "snponly.efi",
}

// uefi reports whether Secure Boot may stand between f and an unsigned loader.
func (f Firmware) uefi() bool { return f != BIOS && f != NoFirmware && f != OtherROM }

// http reports whether f wants a URL where others want a TFTP file name.
func (f Firmware) http() bool { return f == HTTP64 || f == HTTPARM64 }
