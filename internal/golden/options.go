package golden

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// Options say what to build. Only Output must be set.
type Options struct {
	Suite        string   // Debian release; default bookworm
	Size         int64    // bytes of the disk; default 4 GiB
	Packages     []string // more packages to install
	RootPassword string   // default: root cannot log in by password
	SSHKeys      []string // lines for root's authorized_keys
	Mirror       string   // default http://deb.debian.org/debian
	Security     string   // mirror of security updates; default http://deb.debian.org/debian-security
	Kernel       Kernel   // default Generic
	KernelArgs   []string // more arguments for the kernel's command line
	Output       string   // the raw disk file; replaced when the build is complete
	CacheDir     string   // keeps downloaded packages for the next build; default: not kept

	// Progress, if set, is called when a stage begins, with its number (from
	// 0) and how many there are; and once with done == total at the end.
	Progress func(stage string, done, total int) `json:"-"`
}

// Kernel is which of Debian's kernels the image has.
type Kernel string

const (
	// Generic drives all PCs and servers.
	Generic Kernel = "amd64"
	// Cloud is smaller and knows only the NICs of virtual machines:
	// virtio-net among them, e1000 not.
	Cloud Kernel = "cloud-amd64"
)

const (
	defaultSize = 4 << 30
	minSize     = 2 << 30
	sectorSize  = 512
)

var (
	suiteName   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]+$`)
)

// SuiteOf turns an image reference as users write it, debian:12 or
// debian:bookworm, into a Debian release's name.
func SuiteOf(ref string) (string, error) {
	name, tag, _ := strings.Cut(ref, ":")
	suite, ok := map[string]string{
		"12": "bookworm", "bookworm": "bookworm",
		"13": "trixie", "trixie": "trixie",
	}[tag]
	if name != "debian" || !ok {
		return "", fmt.Errorf("build image %q: only debian:12 (bookworm) and debian:13 (trixie) can be built; "+
			"other systems come in by `image import`", ref)
	}
	return suite, nil
}

func (o Options) withDefaults() Options {
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&o.Suite, "bookworm")
	set(&o.Mirror, "http://deb.debian.org/debian")
	set(&o.Security, "http://deb.debian.org/debian-security")
	set((*string)(&o.Kernel), string(Generic))
	if o.Size == 0 {
		o.Size = defaultSize
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	return o
}

// validate reports all that is wrong.
func (o Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Output == "" {
		bad("no output file given")
	}
	if !suiteName.MatchString(o.Suite) {
		bad("suite %q is no name of a Debian release", o.Suite)
	}
	if o.Size < minSize || o.Size%(1<<20) != 0 {
		bad("size %d: must be whole MiB and at least %d MiB", o.Size, minSize>>20)
	}
	for _, p := range o.Packages {
		if !packageName.MatchString(p) {
			bad("package %q is no name of a Debian package", p)
		}
	}
	if strings.ContainsAny(o.RootPassword, "\r\n\x00") {
		bad("root password has a line end")
	}
	for _, k := range o.SSHKeys {
		if strings.ContainsAny(k, "\r\n\x00") || len(strings.Fields(k)) < 2 {
			bad("SSH key %q is no line of an authorized_keys file", k)
		}
	}
	for _, m := range []string{o.Mirror, o.Security} {
		if strings.ContainsAny(m, " \t\r\n") || !strings.Contains(m, "://") {
			bad("mirror %q is no URL", m)
		}
	}
	for _, a := range o.KernelArgs {
		if strings.ContainsAny(a, "\r\n\"'\\$;{} \t") {
			bad("kernel argument %q has a character with a meaning for GRUB", a)
		}
	}
	if o.Kernel != Generic && o.Kernel != Cloud {
		bad("kernel %q: must be %q or %q", o.Kernel, Generic, Cloud)
	}
	return errors.Join(errs...)
}

// Key is a hash of all that makes one build differ from another, but for what the
// mirror holds on the day: a name for a cached image.
func (o Options) Key() string {
	o = o.withDefaults()
	o.Output, o.CacheDir = "", ""
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(o); err != nil {
		panic(err) // strings and numbers only
	}
	h.Write([]byte(setupScript))
	fmt.Fprint(h, basePackages, grubModules(biosGRUB), grubModules(efiGRUB), grubEarly, ext4Features)
	err := fs.WalkDir(files, filesDir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n", path.Clean(name), len(b))
		h.Write(b)
		return err
	})
	if err != nil {
		panic(err) // files are in the binary
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
