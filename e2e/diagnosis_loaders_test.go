//go:build e2e

package e2e

import "encoding/binary"

// resets is what a loader does that takes the computer down with it.
var resets = []byte{
	0x66, 0xba, 0xf9, 0x0c, // mov dx, 0cf9: reset control of PCs' chipsets
	0xb0, 0x06, // mov al, 6
	0xee,       // out dx, al
	0xf4,       // hlt
	0xeb, 0xfd, // jmp to it
}

// efiProgram makes code a program of UEFI on x86-64 (PE format; "Optional Header",
// PE32+).
func efiProgram(code []byte) []byte {
	const (
		headers, align, optionalLen = 0x200, 0x200, 0xf0
		pe, coff, optional, section = 0x80, 0x84, 0x98, 0x98 + optionalLen
	)
	b := make([]byte, headers+align)
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], pe)
	copy(b[pe:], "PE\x00\x00")
	le.PutUint16(b[coff:], 0x8664)
	le.PutUint16(b[coff+2:], 1) // section
	le.PutUint16(b[coff+16:], optionalLen)
	le.PutUint16(b[coff+18:], 0x0022) // executable, large addresses

	le.PutUint16(b[optional:], 0x20b)
	le.PutUint32(b[optional+4:], align)          // of code
	le.PutUint32(b[optional+16:], headers)       // entry
	le.PutUint32(b[optional+20:], headers)       // base of code
	le.PutUint32(b[optional+32:], align)         // of sections
	le.PutUint32(b[optional+36:], align)         // of the file
	le.PutUint32(b[optional+56:], headers+align) // size of the image
	le.PutUint32(b[optional+60:], headers)
	le.PutUint16(b[optional+68:], 10)  // EFI application
	le.PutUint32(b[optional+108:], 16) // directories, none used

	copy(b[section:], ".text")
	for _, at := range []int{8, 12, 16, 20} { // sizes and places in memory and file
		le.PutUint32(b[section+at:], headers)
	}
	le.PutUint32(b[section+36:], 0x60000020) // code to run and read
	copy(b[headers:], code)
	return b
}
