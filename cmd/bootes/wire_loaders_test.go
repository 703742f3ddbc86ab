package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootes.dev/internal/api"
	"bootes.dev/internal/config"
	"bootes.dev/internal/httpboot"
	"bootes.dev/internal/inventory"
)

const loaderMAC = "52:54:00:00:00:01"

// put writes a file into the folder of loaders.
func (w *wired) put(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.house.cfg.Loaders[0], name)
	w.ok(os.MkdirAll(filepath.Dir(path), 0o755))
	w.ok(os.WriteFile(path, []byte(content), 0o644))
}

func TestPinLoader(t *testing.T) {
	w := newWired(t)
	w.put("custom/ipxe.efi", "MZ")
	_, err := w.inv.AddImage(t.Context(), inventory.Image{Name: "debian", Tag: "12", Layer: "l", Size: 1 << 20})
	w.ok(err)
	const lacks = `loader "none.efi" is in no folder of loaders (`
	for _, loader := range []string{"none.efi", "../x", "custom"} {
		_, err := w.AddMachine(t.Context(), api.NewMachine{Name: "pc01", MACs: []string{loaderMAC}, Image: "debian:12", Loader: loader})
		if err == nil || !strings.HasSuffix(err.Error(), "): put it there first, or write auto") || loader == "none.efi" && !strings.HasPrefix(err.Error(), lacks) {
			t.Errorf("add with %s: %v", loader, err)
		}
	}
	m, err := w.Client.AddMachine(t.Context(), api.NewMachine{Name: "pc01", MACs: []string{loaderMAC}, Image: "debian:12", Loader: "/custom//ipxe.efi"})
	if err != nil || m.Loader != "custom/ipxe.efi" {
		t.Fatalf("%+v, %v", m, err)
	}
	none, auto := "none.efi", ""
	var refused *api.Error
	if _, err := w.Client.SetMachine(t.Context(), "pc01", api.MachineChange{Loader: &none}); !errors.As(err, &refused) || refused.Kind() != api.NotFound {
		t.Errorf("set: %v", err)
	}
	if m, err := w.Client.SetMachine(t.Context(), "pc01", api.MachineChange{Loader: &auto}); err != nil || m.Loader != "" {
		t.Errorf("set to auto: %+v, %v", m, err)
	}
}

func TestLoadersByAPI(t *testing.T) {
	w := newWired(t)
	w.put("undionly.kpxe", "\xea a boot program")
	l, err := w.Client.Loaders(t.Context())
	w.ok(err)
	if len(l.Folders) != 1 || l.Loaders[0] != (api.Loader{Firmware: "BIOS", File: "undionly.kpxe", Folder: l.Folders[0]}) {
		t.Errorf("%+v", l)
	}
	if x := l.Loaders[1]; x.Firmware != "UEFI x86-64" || x.File != "" || x.Lack != "install the package ipxe, or put snponly.efi into a folder of loaders: in the config" {
		t.Errorf("%+v", x)
	}
}

func TestNoFolderOfLoaders(t *testing.T) {
	h := &house{cfg: &config.Config{Loaders: []string{t.TempDir(), "/no/such/folder"}}, log: slog.New(slog.DiscardHandler)}
	defer h.close()
	const want = "open loaders folder: open /no/such/folder: no such file or directory: install the package ipxe, or set loaders: in the config"
	if err := h.openLoaders(t.Context()); err == nil || err.Error() != want || exitCode(err) != exitNotFound {
		t.Errorf("%v, want %s", err, want)
	}
}

// What the folders lack is said when the server starts.
func TestLackIsSaidAtStart(t *testing.T) {
	for _, tt := range []struct {
		files []string
		want  []string
		not   string
	}{
		{nil, []string{
			`level=WARN msg="machines cannot be booted" firmware=BIOS reason="no loader for its firmware (BIOS): install the package ipxe,`,
			`level=WARN msg="machines cannot be booted" firmware="UEFI x86-64"`,
			"level=INFO msg=\"no loaders for some firmware: `bootes loaders` says what would help\" firmware=\"[BIOS UEFI x86-64 UEFI x86-64 HTTP UEFI IA32",
		}, "\x00"},
		{[]string{"undionly.kpxe"}, []string{`firmware="UEFI x86-64"`}, "firmware=BIOS"},
	} {
		dir := t.TempDir()
		for _, name := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("\xea a boot program"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		h := &house{cfg: &config.Config{Loaders: []string{dir}}, log: slog.New(slog.NewTextHandler(&log, nil))}
		if err := errors.Join(h.openLoaders(t.Context()), h.close()); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%v: the log lacks %s:\n%s", tt.files, want, &log)
			}
		}
		if strings.Contains(log.String(), tt.not) {
			t.Errorf("%v: %s is said:\n%s", tt.files, tt.not, &log)
		}
	}
}

// By HTTP as by TFTP: files, what is made for who asks, and nothing else.
func TestLoaderFiles(t *testing.T) {
	w := newWired(t)
	w.put("undionly.kpxe", "\xea a boot program")
	get := func(name string) (string, error) {
		f, err := w.loaderByHTTP(context.Background(), httpboot.LoaderRequest{
			Name: name, Remote: netip.MustParseAddrPort("127.0.0.1:1000"), Local: netip.MustParseAddrPort("127.0.0.1:80"),
		})
		if err != nil {
			return "", err
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		return string(b), err
	}
	if text, err := get("undionly.kpxe"); err != nil || text != "\xea a boot program" {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := get("autoexec.ipxe"); err != nil || !strings.Contains(text, "chain http://127.0.0.1/ipxe/${netX/mac:hexhyp}") {
		t.Errorf("%q, %v", text, err)
	}
	w.put("rpi/config.txt", "arm_64bit=1")
	for _, name := range []string{"1234abcd/config.txt", "dc-a6-32-00-00-01/config.txt"} {
		if text, err := get(name); err != nil || text != "arm_64bit=1" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := get("none.efi"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
