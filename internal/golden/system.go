package golden

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// filesDir is laid over the new system; its files are templates.
const filesDir = "files"

//go:embed all:files
var files embed.FS

//go:embed setup.sh
var setupScript string

// basePackages are on top of Debian's essential ones and apt. busybox and
// klibc-utils are for the initramfs.
var basePackages = []string{
	"initramfs-tools", "busybox", "zstd", "e2fsprogs", "logsave", "systemd", "systemd-sysv", "udev", "dbus",
	"open-iscsi", "openssh-server", "iproute2", "iputils-ping", "kmod", "procps", "ca-certificates",
}

// installSystem makes the root file system's content in the folder "root".
func (b *builder) installSystem(ctx context.Context) error {
	overlay := b.path("overlay")
	if err := b.writeOverlay(overlay); err != nil {
		return err
	}
	args := []string{
		"--mode=root", "--variant=minbase", "--format=directory", "--keyring=" + keyring,
		"--include=" + strings.Join(b.packages(), ","),
		`--aptopt=APT::Install-Recommends "false"`,
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/info/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-include=/usr/share/doc/*/copyright",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/i18n/*",
		// Before the packages, whose own scripts already see it then.
		"--essential-hook=sync-in " + quote(overlay) + " /",
		`--customize-hook=chroot "$1" /bin/sh /bootes-setup/setup.sh`,
	}
	args = append(args, b.cacheArgs()...)
	args = append(args, b.Suite, b.path("root"))
	args = append(args, b.sources()...)
	env := []string{"INITRD=No", "DEBIAN_FRONTEND=noninteractive"}
	return command(ctx, env, "mmdebstrap", args...)
}

func (b *builder) packages() []string {
	return append(append([]string{"linux-image-" + string(b.Kernel)}, basePackages...), b.Packages...)
}

// sources are the lines of the new system's sources.list.
func (b *builder) sources() []string {
	const components = "main non-free-firmware"
	lines := []string{fmt.Sprintf("deb %s %s %s", b.Mirror, b.Suite, components)}
	if b.Suite == "sid" || b.Suite == "unstable" {
		return lines
	}
	return append(lines,
		fmt.Sprintf("deb %s %s-updates %s", b.Mirror, b.Suite, components),
		fmt.Sprintf("deb %s %s-security %s", b.Security, b.Suite, components))
}

// cacheArgs carry downloaded packages from one build to the next (mmdebstrap(1),
// EXAMPLES).
func (b *builder) cacheArgs() []string {
	if b.CacheDir == "" {
		return nil
	}
	dir, err := filepath.Abs(b.CacheDir)
	if err != nil {
		return nil
	}
	return []string{
		"--skip=essential/unlink", "--skip=download/empty",
		`--setup-hook=mkdir -p ` + quote(dir) + ` "$1"/var/cache/apt/archives`,
		"--setup-hook=sync-in " + quote(dir) + " /var/cache/apt/archives",
		"--customize-hook=sync-out /var/cache/apt/archives " + quote(dir),
	}
}

// quote makes one word for the shell and for mmdebstrap's special hooks.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// writeOverlay writes the files that the new system gets on top of its packages.
func (b *builder) writeOverlay(dir string) error {
	err := fs.WalkDir(files, filesDir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(filesDir, name)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		return b.writeTemplate(name, to)
	})
	if err != nil {
		return fmt.Errorf("write files of the system: %w", err)
	}
	setup := filepath.Join(dir, "bootes-setup")
	if err := os.Mkdir(setup, 0o700); err != nil {
		return fmt.Errorf("write set-up: %w", err)
	}
	for name, content := range b.setupFiles() {
		if err := os.WriteFile(filepath.Join(setup, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("write set-up: %w", err)
		}
	}
	return nil
}

func (b *builder) setupFiles() map[string]string {
	m := map[string]string{"setup.sh": setupScript}
	if b.RootPassword != "" {
		m["password"] = "root:" + b.RootPassword + "\n"
	}
	if len(b.SSHKeys) > 0 {
		m["authorized_keys"] = strings.Join(b.SSHKeys, "\n") + "\n"
	}
	return m
}

func (b *builder) writeTemplate(from, to string) error {
	text, err := files.ReadFile(from)
	if err != nil {
		return err
	}
	t, err := template.New(from).Parse(string(text))
	if err != nil {
		return err
	}
	args := ""
	for _, a := range b.KernelArgs {
		args += " " + a
	}
	var out bytes.Buffer
	data := map[string]any{"RootUUID": b.rootUUID, "KernelArgs": args, "Timeout": menuSeconds}
	if err := t.Execute(&out, data); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if bytes.HasPrefix(text, []byte("#!")) {
		mode = 0o755
	}
	return os.WriteFile(to, out.Bytes(), mode)
}
