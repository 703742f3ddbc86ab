package dhcp

// Firmware is what a net-booting client says it is (options 93 and 60).
type Firmware uint8

const (
	FirmwareNone   Firmware = iota // not firmware
	FirmwareOther                  // firmware of a kind that we have no loader for
	BIOS                           // PXE under a BIOS
	EFIIA32                        // PXE under 32-bit UEFI
	EFIX64                         // PXE under x86-64 UEFI
	EFIARM64                       // PXE under arm64 UEFI
	HTTPIA32                       // UEFI HTTP boot, 32-bit
	HTTPX64                        // UEFI HTTP boot, x86-64
	HTTPARM64                      // UEFI HTTP boot, arm64
	firmwareLimit
)

var firmwareNames = [firmwareLimit]string{
	FirmwareNone: "none", FirmwareOther: "other", BIOS: "BIOS",
	EFIIA32: "EFI IA32", EFIX64: "EFI x86-64", EFIARM64: "EFI arm64",
	HTTPIA32: "EFI IA32 HTTP", HTTPX64: "EFI x86-64 HTTP", HTTPARM64: "EFI arm64 HTTP",
}

func (f Firmware) String() string {
	if f < firmwareLimit {
		return firmwareNames[f]
	}
	return "unknown"
}

// EFI reports whether f is UEFI, by PXE or by HTTP.
func (f Firmware) EFI() bool { return f >= EFIIA32 && f <= HTTPARM64 }

// HTTP reports whether f is UEFI HTTP boot.
func (f Firmware) HTTP() bool { return f >= HTTPIA32 && f <= HTTPARM64 }
