package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"strings"

	"bootes.dev/internal/api"
	"bootes.dev/internal/httpboot"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/tftp"
)

// openLoaders opens the folders of loaders, and says which firmware they have
// nothing for.
func (h *house) openLoaders(context.Context) error {
	var all []loaders.Folder
	for _, path := range h.cfg.Loaders {
		root, err := os.OpenRoot(path)
		if err != nil {
			return withCode(exitNotFound, fmt.Errorf("open loaders folder: %w: install the package ipxe, or set loaders: in the config", err))
		}
		h.onClose(root.Close)
		all = append(all, loaders.Folder{Path: path, FS: root.FS()})
	}
	h.loaders = loaders.NewFolders(all...)
	for _, fw := range []loaders.Firmware{loaders.BIOS, loaders.EFI64} {
		if _, err := h.loaders.Loader(fw); err != nil {
			h.log.Warn("machines cannot be booted", "firmware", fw, "reason", err)
		}
	}
	if lack := h.loaders.Lack(); len(lack) > 0 {
		h.log.Info("no loaders for some firmware: `bootes loaders` says what would help", "firmware", lack)
	}
	return nil
}

// openLoader opens files of the folders of loaders and nothing outside them.
func (h *house) openLoader(ctx context.Context, r tftp.Request) (tftp.File, error) {
	if !served(h.cfg, r.Local) {
		return nil, notServed(r.Local)
	}
	client := r.Client.Addr()
	if h.boot.Simulating(r.Simulation) { // it is not the computer that plays it
		client = netip.Addr{}
	}
	f, text, err := h.loaderFile(ctx, r.Name, client, r.Local)
	if err != nil || text != "" {
		return tftp.Bytes([]byte(text)), err
	}
	return tftp.OSFile(f)
}

// loaderByHTTP opens files as openLoader does for TFTP.
func (h *house) loaderByHTTP(ctx context.Context, r httpboot.LoaderRequest) (httpboot.File, error) {
	f, text, err := h.loaderFile(ctx, r.Name, r.Remote.Addr(), r.Local.Addr())
	if err != nil {
		return nil, err
	}
	if text != "" {
		return httpboot.Text("script.ipxe", text), nil
	}
	return f, nil
}

// loaderFile lets package boot decide what somebody is sent: a file, or a text.
func (h *house) loaderFile(ctx context.Context, name string, remote, local netip.Addr) (*os.File, string, error) {
	what := h.boot.File(ctx, name, remote, local)
	if what.Text != "" {
		return nil, what.Text, nil
	}
	f, err := h.loaders.Open(what.Name)
	if err != nil {
		return nil, "", err
	}
	file, ok := f.(*os.File)
	if !ok {
		f.Close()
		return nil, "", fmt.Errorf("open %q: not a file of this computer: %w", name, fs.ErrPermission)
	}
	return file, "", nil
}

type foundLoaders struct{ *house }

func (h foundLoaders) Loaders(context.Context) (api.Loaders, error) {
	out := api.Loaders{Folders: h.cfg.Loaders}
	for _, fw := range loaders.Firmwares {
		l, err := h.loaders.Find(fw)
		x := api.Loader{Firmware: string(fw), File: l.Name, Folder: l.Folder, Signed: l.Signed}
		var lack *loaders.LackError
		if errors.As(err, &lack) {
			x.Lack = lack.Remedy()
			if lack.Note != "" {
				x.Lack += "; " + lack.Note
			}
		}
		out.Loaders = append(out.Loaders, x)
	}
	return out, nil
}

// pinned is the loader that a machine is to be given, if there is such a file.
func (h *house) pinned(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if _, ok := h.loaders.Has(name); !ok {
		return "", api.Errorf(api.NotFound, "loader %q is in no folder of loaders (%s): put it there first, or write auto", name, strings.Join(h.cfg.Loaders, ", "))
	}
	return name, nil
}
