package loaders

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Folder is one folder of loaders.
type Folder struct {
	Path string
	FS   fs.FS
}

// Folders are where loaders are looked for, in their order: what the first one
// has goes before all that later ones have. It is the fs.FS of all their files.
// Its methods may be called from any goroutine.
type Folders struct {
	all []Folder

	mu    sync.Mutex
	found map[Firmware]search
}

// search is what was found lately.
type search struct {
	loader Loader
	err    error
	at     time.Time
}

// searchAgain is for how long a search is good: an operator who puts a file
// there expects it to count, and machines by the thousand ask at once.
const searchAgain = 2 * time.Second

// Loader is the file that a firmware is given.
type Loader struct {
	Name   string // in its folder, with slashes
	Folder string
	Signed bool // a shim, which passes Secure Boot
}

// NewFolders returns the folders in their order.
func NewFolders(all ...Folder) *Folders {
	return &Folders{all: all, found: map[Firmware]search{}}
}

// Open opens a file of the first folder that has it.
func (f *Folders) Open(name string) (fs.File, error) {
	err := fs.ErrNotExist
	for _, dir := range f.all {
		file, failed := openRegular(dir.FS, name)
		if failed == nil {
			return file, nil
		}
		if !absent(failed) {
			err = failed
		}
	}
	return nil, fmt.Errorf("open %q in the folders of loaders: %w", name, err)
}

// absent reports whether err says that no file can have that name there.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

func openRegular(fsys fs.FS, name string) (fs.File, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// Has returns the folder that Open would take a file from.
func (f *Folders) Has(name string) (folder string, ok bool) {
	for _, dir := range f.all {
		if info, err := fs.Stat(dir.FS, name); err == nil && info.Mode().IsRegular() {
			return dir.Path, true
		}
	}
	return "", false
}

// Loader is what fw is given. The error, a *LackError, says what would help.
func (f *Folders) Loader(fw Firmware) (Loader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.found[fw]
	if !ok || time.Since(s.at) > searchAgain {
		s = search{at: time.Now()}
		s.loader, s.err = f.Find(fw)
		f.found[fw] = s
	}
	return s.loader, s.err
}

// Find is what Loader would find if it had not searched lately.
func (f *Folders) Find(fw Firmware) (Loader, error) {
	lack := &LackError{Firmware: fw}
	for _, dir := range f.all {
		lack.Folders = append(lack.Folders, dir.Path)
	}
	for _, dir := range f.all {
		for _, name := range names(fw) {
			err := fits(dir.FS, name, fw)
			if first, ok := f.Has(name); err == nil && ok && first != dir.Path {
				err = fmt.Errorf("%s %w: another one in %s goes before it; put it into the folder %s there", name, errUnfit, first, builds[fw].arch)
			}
			if err == nil {
				return Loader{Name: name, Folder: dir.Path, Signed: IsShim(name)}, nil
			}
			if errors.Is(err, errUnfit) || errors.Is(err, fs.ErrPermission) {
				lack.Note = cmp.Or(lack.Note, fmt.Sprintf("in %s, %v", dir.Path, err))
			}
		}
	}
	return Loader{}, lack
}

// LackError says that no folder has a loader for a firmware, and what would be
// one.
type LackError struct {
	Firmware Firmware
	Folders  []string // that were looked through
	Note     string   // a file that is there, and why it does not count
}

func (e *LackError) Error() string {
	text := fmt.Sprintf("no loader for its firmware (%s): %s", e.Firmware, e.Remedy())
	switch {
	case e.Note != "":
		text += "; " + e.Note
	case len(e.Folders) > 0:
		text += "; there is none in " + strings.Join(e.Folders, ", ")
	}
	return text
}

// Remedy says what to put where.
func (e *LackError) Remedy() string {
	b, ok := builds[e.Firmware]
	switch {
	case e.Firmware == RaspberryPi:
		return "put the Raspberry Pi's boot files (config.txt and those that it names, such as UEFI firmware's) as rpi/ into a folder of loaders: in the config"
	case !ok:
		return "Boötes does not know it; if iPXE can run there, pin a file of the folders of loaders: with `bootes machine set NAME --loader FILE`"
	case b.machine == 0:
		return "install the package ipxe, or put undionly.kpxe into a folder of loaders: in the config"
	case b.machine == builds[EFI64].machine:
		return "install the package ipxe, or put snponly.efi into a folder of loaders: in the config"
	}
	return fmt.Sprintf("put iPXE's snponly.efi for %s as %s/snponly.efi into a folder of loaders: in the config", b.arch, b.arch)
}

// Lack are the kinds of firmware that there is no loader for.
func (f *Folders) Lack() (lack []Firmware) {
	for _, fw := range Firmwares {
		if _, err := f.Loader(fw); err != nil {
			lack = append(lack, fw)
		}
	}
	return lack
}
