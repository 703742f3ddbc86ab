package loaders

// Firmware is the kind of program that asks, as far as it decides which
// loader it can run.
type Firmware string

// The kinds that are told apart (processor architecture types of RFC 4578,
// 2.1 and its IANA registry).
const (
	NoFirmware  Firmware = ""
	BIOS        Firmware = "BIOS"
	EFI32       Firmware = "UEFI IA32"
	EFI64       Firmware = "UEFI x86-64"
	EFIARM32    Firmware = "UEFI arm32"
	EFIARM64    Firmware = "UEFI arm64"
	EFIRISCV64  Firmware = "UEFI riscv64"
	EFILoong64  Firmware = "UEFI loong64"
	UBootARM32  Firmware = "U-Boot arm32"
	UBootARM64  Firmware = "U-Boot arm64"
	RaspberryPi Firmware = "Raspberry Pi"
	HTTP32      Firmware = "UEFI IA32 HTTP"
	HTTP64      Firmware = "UEFI x86-64 HTTP"
	HTTPARM32   Firmware = "UEFI arm32 HTTP"
	HTTPARM64   Firmware = "UEFI arm64 HTTP"
	HTTPRISCV64 Firmware = "UEFI riscv64 HTTP"
	HTTPLoong64 Firmware = "UEFI loong64 HTTP"
	OtherROM    Firmware = "unknown firmware"
)

// Firmwares are the kinds that there can be a loader for.
var Firmwares = []Firmware{
	BIOS, EFI64, HTTP64, EFI32, HTTP32, EFIARM64, HTTPARM64, EFIARM32, HTTPARM32,
	UBootARM64, UBootARM32, RaspberryPi, EFIRISCV64, HTTPRISCV64, EFILoong64, HTTPLoong64,
}

// UEFI reports whether Secure Boot may stand between f and an unsigned loader.
func (f Firmware) UEFI() bool {
	switch f {
	case NoFirmware, BIOS, OtherROM, UBootARM32, UBootARM64, RaspberryPi:
		return false
	}
	return true
}

// HTTP reports whether f wants a URL where others want a TFTP file name.
func (f Firmware) HTTP() bool {
	switch f {
	case HTTP32, HTTP64, HTTPARM32, HTTPARM64, HTTPRISCV64, HTTPLoong64:
		return true
	}
	return false
}

// UBoot reports whether f is U-Boot, which knows no Secure Boot.
func (f Firmware) UBoot() bool { return f == UBootARM32 || f == UBootARM64 }
