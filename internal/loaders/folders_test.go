package loaders

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"bootes.dev/internal/bootfile"
	"bootes.dev/internal/loaders/loaderstest"
)

var (
	debian  = Folder{"/usr/lib/ipxe", loaderstest.Debian}
	release = Folder{"/srv/ipxe", loaderstest.Release}
)

// Clients ask for what no file can be called, such as what would lie beside a
// loader if that were a folder.
func TestNamesThatNoFileCanHave(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "snponly.efi"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := NewFolders(Folder{dir, root.FS()})
	for _, name := range []string{"nothing", "snponly.efi/grub.cfg", strings.Repeat("x", 300), "a\xfeb", ".", ""} {
		if file, err := f.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%.20q: %v, %v", name, file, err)
		}
	}
}

func TestLoaderSearch(t *testing.T) {
	flat := Folder{"/srv/arm", fstest.MapFS{"snponly.efi": loaderstest.PE(bootfile.ARM64)}}
	fedora := Folder{"/usr/share/ipxe", fstest.MapFS{
		"ipxe-snponly-x86_64.efi": loaderstest.PE(bootfile.X64), "ipxe-i386.efi": loaderstest.PE(bootfile.I386), "arm64-efi/snponly.efi": loaderstest.PE(bootfile.ARM64),
	}}
	pi := Folder{"/srv/pi", fstest.MapFS{"rpi/config.txt": {Data: []byte("arm_64bit=1\n")}}}
	for _, tt := range []struct {
		name    string
		folders []Folder
		fw      Firmware
		want    string
	}{
		{"Debian", []Folder{debian}, BIOS, "/usr/lib/ipxe undionly.kpxe"},
		{"Debian", []Folder{debian}, EFI64, "/usr/lib/ipxe snponly.efi"},
		{"Debian", []Folder{debian}, HTTP64, "/usr/lib/ipxe snponly.efi"},
		{"Debian", []Folder{debian}, EFI32, "no loader for its firmware (UEFI IA32): put iPXE's snponly.efi for i386 as i386/snponly.efi into a folder of loaders: in the config; there is none in /usr/lib/ipxe"},
		{"a release", []Folder{release}, EFI64, "/srv/ipxe x86_64-sb/snponly-shim.efi"},
		{"a release", []Folder{release}, HTTP32, "/srv/ipxe i386/snponly.efi"},
		{"a release", []Folder{release}, EFIARM64, "/srv/ipxe arm64/snponly.efi"},
		{"a release", []Folder{release}, UBootARM64, "/srv/ipxe arm64/snponly.efi"},
		{"a release", []Folder{release}, BIOS, "/srv/ipxe undionly.kpxe"},
		{"the first folder counts", []Folder{debian, release}, EFI64, "/usr/lib/ipxe snponly.efi"},
		{"a later one has more", []Folder{debian, release}, EFIARM64, "/srv/ipxe arm64/snponly.efi"},
		{"by the file, not its name", []Folder{flat}, EFIARM64, "/srv/arm snponly.efi"},
		{"by the file, not its name", []Folder{flat}, EFI64, "no loader for its firmware (UEFI x86-64): install the package ipxe, or put snponly.efi into a folder of loaders: in the config; there is none in /srv/arm"},
		{"one name, two files", []Folder{debian, flat}, EFIARM64, "no loader for its firmware (UEFI arm64): put iPXE's snponly.efi for arm64 as arm64/snponly.efi into a folder of loaders: in the config; " +
			"in /srv/arm, snponly.efi does not count: another one in /usr/lib/ipxe goes before it; put it into the folder arm64 there"},
		{"Fedora", []Folder{fedora}, EFI64, "/usr/share/ipxe ipxe-snponly-x86_64.efi"},
		{"Fedora", []Folder{fedora}, EFI32, "/usr/share/ipxe ipxe-i386.efi"},
		{"Fedora", []Folder{fedora}, HTTPARM64, "/usr/share/ipxe arm64-efi/snponly.efi"},
		{"a shim alone", []Folder{{"/srv/sb", fstest.MapFS{"ipxe-shim.efi": loaderstest.PE(bootfile.X64)}}}, EFI64,
			"no loader for its firmware (UEFI x86-64): install the package ipxe, or put snponly.efi into a folder of loaders: in the config; in /srv/sb, ipxe-shim.efi does not count: beside it is no ipxe.efi for it to load"},
		{"none", nil, BIOS, "no loader for its firmware (BIOS): install the package ipxe, or put undionly.kpxe into a folder of loaders: in the config"},
		{"none", nil, RaspberryPi, "no loader for its firmware (Raspberry Pi): put the Raspberry Pi's boot files (config.txt and those that it names, such as UEFI firmware's) as rpi/ into a folder of loaders: in the config"},
		{"none", []Folder{release}, OtherROM, "no loader for its firmware (unknown firmware): Boötes does not know it; if iPXE can run there, pin a file of the folders of loaders: with `bootes machine set NAME --loader FILE`; there is none in /srv/ipxe"},
		{"a copy that failed", []Folder{{"/srv/full", fstest.MapFS{"undionly.kpxe": {}}}}, BIOS,
			"no loader for its firmware (BIOS): install the package ipxe, or put undionly.kpxe into a folder of loaders: in the config; in /srv/full, undionly.kpxe does not count: it is empty; copy it anew"},
		{"an error page", []Folder{{"/srv/page", fstest.MapFS{"undionly.kpxe": {Data: []byte("<!DOCTYPE html>\n<html>404 Not Found</html>\n")}}}}, BIOS,
			"no loader for its firmware (BIOS): install the package ipxe, or put undionly.kpxe into a folder of loaders: in the config; " +
				"in /srv/page, undionly.kpxe does not count: it is a text and no program, it begins with \"<!DOCTYPE html>\"; copy it anew"},
		{"cut off", []Folder{{"/srv/half", fstest.MapFS{"snponly.efi": cutOff()}}}, EFI64,
			"no loader for its firmware (UEFI x86-64): install the package ipxe, or put snponly.efi into a folder of loaders: in the config; " +
				"in /srv/half, snponly.efi does not count: it is cut off, 512 bytes are there of at least 1536; copy it anew"},
		{"a Pi's", []Folder{debian, pi}, RaspberryPi, "/srv/pi rpi/config.txt"},
	} {
		l, err := NewFolders(tt.folders...).Loader(tt.fw)
		got := l.Folder + " " + l.Name
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s, %s:\n%s, want\n%s", tt.name, tt.fw, got, tt.want)
		}
		if l.Signed != strings.Contains(tt.want, "shim.efi") && err == nil {
			t.Errorf("%s, %s: signed: %v", tt.name, tt.fw, l.Signed)
		}
	}
}

// cutOff is a PE file of one section, of whose 1024 bytes none are there.
func cutOff() *fstest.MapFile {
	b := make([]byte, 512)
	copy(b, loaderstest.PE(bootfile.X64).Data)
	b[0x86] = 1                                                      // section
	copy(b[0x80+24+16:], []byte{0x00, 0x04, 0, 0, 0x00, 0x02, 0, 0}) // its length, and where it is
	return &fstest.MapFile{Data: b}
}

func TestEveryFirmwareHasNames(t *testing.T) {
	for _, fw := range Firmwares {
		if len(names(fw)) == 0 {
			t.Errorf("%s: no file would be its loader", fw)
		}
	}
}

func TestFoldersAreOneFileSystem(t *testing.T) {
	f := NewFolders(debian, release)
	file, err := f.Open("i386/snponly.efi")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if b, err := io.ReadAll(file); err != nil || bootfile.Machine(b) != bootfile.I386 {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
	if _, err := f.Open("none.efi"); !errors.Is(err, fs.ErrNotExist) || err.Error() != `open "none.efi" in the folders of loaders: file does not exist` {
		t.Errorf("open a file that is not there: %v", err)
	}
	if _, ok := f.Has("i386"); ok {
		t.Error("a folder is taken for a file")
	}
	if _, err := f.Open("i386"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open a folder: %v", err)
	}
}

// One search serves all who ask at once, and a file that is put there counts soon.
func TestSearchIsRemembered(t *testing.T) {
	files := fstest.MapFS{}
	f := NewFolders(Folder{"/srv", files})
	if _, err := f.Loader(BIOS); err == nil {
		t.Fatal("a loader in an empty folder")
	}
	files["undionly.kpxe"] = loaderstest.KPXE
	if _, err := f.Loader(BIOS); err == nil {
		t.Error("searched again at once")
	}
	s := f.found[BIOS]
	s.at = s.at.Add(-searchAgain)
	f.found[BIOS] = s
	if l, err := f.Loader(BIOS); err != nil || l.Name != "undionly.kpxe" {
		t.Errorf("%+v, %v", l, err)
	}
}
