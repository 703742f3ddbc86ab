package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/golden"
)

// buildFlags are the flags of `image build`.
type buildFlags struct {
	size, suite, mirror, security, passwordFile, output, cache string
	packages, keyFiles                                         []string
}

func (f *buildFlags) register(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.size, "size", "4G", "`size` of the disk")
	s.StringVar(&f.suite, "suite", "", "Debian `release`, such as bookworm; default: the one that NAME:TAG names")
	s.StringVar(&f.mirror, "mirror", "", "`URL` of a Debian mirror (default http://deb.debian.org/debian)")
	s.StringVar(&f.security, "security-mirror", "", "`URL` of a mirror of security updates (default http://deb.debian.org/debian-security)")
	s.StringSliceVar(&f.packages, "package", nil, "Debian `package` to install besides; more than one may be given")
	s.StringVar(&f.passwordFile, "root-password-file", "", "`file` whose first line is root's password")
	s.StringArrayVar(&f.keyFiles, "ssh-key", nil, "`file` with public SSH keys that may log in as root; more than one may be given")
	s.StringVar(&f.output, "output", "", "write the disk to this raw `file`, and import nothing")
	s.StringVar(&f.cache, "cache-dir", "", "`folder` that keeps downloaded packages for the next build")
}

func (a *app) imageBuild() *cobra.Command {
	var f buildFlags
	c := &cobra.Command{
		Use: "build NAME:TAG", Short: "Build a Debian image that boots from the network", Args: exactly("NAME:TAG"),
		Long: "Build a Debian image that boots over iSCSI under BIOS and UEFI, and import it. It is built on this\n" +
			"computer, by root; a program that is missing is named with the Debian package that has it. Without\n" +
			"a root password or SSH key nobody can log in to machines that boot it.",
		Example: "  bootes image build debian:12 --ssh-key ~/.ssh/id_ed25519.pub\n" +
			"  bootes image build lab:1 --suite bookworm --size 8G --package htop,tmux --root-password-file pw\n" +
			"  bootes image build debian:12 --output debian-12.raw",
		RunE: func(cmd *cobra.Command, args []string) error { return a.build(cmd.Context(), args[0], f) },
	}
	f.register(c)
	return c
}

// build builds an image, in a folder that goes whatever happens, and imports it.
func (a *app) build(ctx context.Context, ref string, f buildFlags) (err error) {
	o, err := f.options(ref)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return withCode(exitMissing, errors.New("image build needs root, to install packages into a new system: run it with sudo"))
	}
	if f.output != "" {
		o.Output = f.output
		return a.buildFile(ctx, ref, o)
	}
	// Ask first: a build takes minutes, and the server might not be there.
	switch _, err := a.client().Image(ctx, ref); {
	case err == nil:
		return withCode(exitRefused, fmt.Errorf("image %s exists: build one with another tag, or remove it with `bootes image rm %s`", ref, ref))
	case exitCode(err) != exitNotFound:
		return err
	}
	dir, err := buildDir()
	if err != nil {
		return fmt.Errorf("make temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o.Output = filepath.Join(dir, "disk.raw")
	if err := a.runBuild(ctx, ref, o); err != nil {
		return err
	}
	i, err := a.importFile(ctx, o.Output, api.ImportRequest{Ref: ref, Source: "bootes image build " + ref + " (" + o.Suite + ")", Identity: true})
	if err != nil {
		return err
	}
	return a.print(i, func() string { return a.imported(i) })
}

// buildDir makes a folder for a build, and removes those of builds that were
// killed. It is not in /tmp, which may be in memory.
func buildDir() (string, error) {
	const prefix = "/var/tmp/bootes-build-"
	left, _ := filepath.Glob(prefix + "*")
	for _, dir := range left {
		pid, _, _ := strings.Cut(strings.TrimPrefix(dir, prefix), "-")
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			_ = os.RemoveAll(dir)
		}
	}
	return os.MkdirTemp("/var/tmp", fmt.Sprintf("bootes-build-%d-", os.Getpid()))
}

type built struct {
	File string `json:"file"`
	Size int64  `json:"size"`
}

func (a *app) buildFile(ctx context.Context, ref string, o golden.Options) error {
	if err := a.runBuild(ctx, ref, o); err != nil {
		return err
	}
	st, err := os.Stat(o.Output)
	if err != nil {
		return fmt.Errorf("look at the built disk: %w", err)
	}
	return a.print(built{o.Output, st.Size()}, func() string {
		return fmt.Sprintf("built %s: %s; `bootes image import --identity %s %s` takes it in\n", clean(o.Output), bytesize.Format(st.Size()), ref, o.Output)
	})
}

func (a *app) runBuild(ctx context.Context, ref string, o golden.Options) error {
	p := a.progress("building " + ref)
	defer p.end()
	o.Progress = func(stage string, done, total int) {
		if done < total {
			p.update(api.Progress{Step: fmt.Sprintf("%s (step %d of %d)", stage, done+1, total)})
		}
	}
	return golden.Build(ctx, o)
}

// options turns the flags into options, reading the files they name.
func (f *buildFlags) options(ref string) (o golden.Options, err error) {
	if name, tag, ok := strings.Cut(ref, ":"); !ok || name == "" || tag == "" {
		return o, usage("%q is no image: write name:tag, such as debian:12", ref)
	}
	o = golden.Options{Suite: f.suite, Mirror: f.mirror, Security: f.security, Packages: f.packages, CacheDir: f.cache}
	if o.Suite == "" {
		if o.Suite, err = golden.SuiteOf(ref); err != nil {
			return o, usage("%w; or name a release with --suite", err)
		}
	}
	if o.Size, err = bytesize.Parse(f.size); err != nil {
		return o, usage("--size %q is no size: %w", f.size, err)
	}
	if o.RootPassword, err = readPassword(f.passwordFile); err != nil {
		return o, err
	}
	for _, file := range f.keyFiles {
		keys, err := readKeys(file)
		if err != nil {
			return o, err
		}
		o.SSHKeys = append(o.SSHKeys, keys...)
	}
	return o, nil
}

// readPassword reads the first line of a file; no file, no password.
func readPassword(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read root password: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", usage("--root-password-file %q: its first line is empty", file)
	}
	return line, nil
}

// readKeys reads the lines of an authorized_keys or .pub file.
func readKeys(file string) (keys []string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read SSH key: %w", err)
	}
	if strings.Contains(string(b), "PRIVATE KEY") {
		return nil, usage("--ssh-key %q is a private key: name the public one, %s.pub", file, file)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, usage("--ssh-key %q has no key in it", file)
	}
	return keys, nil
}
