package simulate

import (
	"errors"
	"net"
	"net/url"
	"testing"

	"bootes.dev/internal/bootfile"
)

// Each text says how far it was looked, why that is the end, and where to see on.
func TestBeyond(t *testing.T) {
	u, _ := url.Parse("tftp://10.0.0.1/boot/loader")
	p := &player{Options: Options{MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}}}
	const begins, ends = "all is well as far as this looks: firmware gets tftp://10.0.0.1/boot/loader and runs it; it is ", ". Here it ends, because only iPXE is played on"
	for _, tt := range []struct {
		file bootfile.File
		want string
	}{
		{bootfile.File{Program: "PXELINUX"}, "PXELINUX" + ends + ": PXELINUX fetches ldlinux.c32 next, and its menu, pxelinux.cfg/01-52-54-00-00-00-01 or default, both from beside itself"},
		{bootfile.File{Program: "GRUB", Machine: bootfile.X64, Signed: true}, "GRUB for UEFI on x86-64, signed" + ends + ": GRUB looks for its grub.cfg next, where it was built to, mostly beside itself or on a disk"},
		{bootfile.File{Program: "Windows Boot Manager"}, "Windows Boot Manager" + ends + ": Windows Boot Manager fetches Boot/BCD next, and what that names"},
		{bootfile.File{Machine: bootfile.X64}, "an EFI program that is not known here for UEFI on x86-64, not signed" + ends},
	} {
		var end *ending
		if err := p.beyond("firmware", u, tt.file); !errors.As(err, &end) || end.Outcome != Unclear || end.Text != begins+tt.want {
			t.Errorf("%+v: %v", tt.file, err)
		}
		const remedy = "what it asks for after that, the log of the server at 10.0.0.1 says when a machine boots; for Boötes: `bootes boot log MACHINE --packets`"
		if len(end.Remedies) != 1 || end.Remedies[0] != remedy {
			t.Errorf("%+v: %q", tt.file, end.Remedies)
		}
	}
}
