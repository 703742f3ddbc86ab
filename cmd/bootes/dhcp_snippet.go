package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/boot"
	"bootes.dev/internal/config"
	"bootes.dev/internal/dhcpsnippet"
	"bootes.dev/internal/loaders"
	"bootes.dev/internal/netif"
)

// snippetFlags say which address of this computer the machines are to know.
type snippetFlags struct {
	config, iface string
	server        string
	port          int
}

type snippet struct {
	For    string `json:"for"`
	Server string `json:"server"`
	Text   string `json:"text"`
}

func (a *app) dhcpSnippetCommand() *cobra.Command {
	var f snippetFlags
	names := strings.Join(dhcpsnippet.Servers(), "|")
	c := &cobra.Command{
		Use: "dhcp-snippet " + names, Short: "Print what an existing DHCP server must be told", Args: exactly("the DHCP server's name (" + names + ")"),
		Long: "Print what the DHCP server of a network must be told so that its machines boot from here, ready to\n" +
			"paste. Only networks where the offers of `dhcp: proxy` do not get through to the machines need it.\n" +
			"The address comes from the config file and the interface that it names, or from --server.",
		Example: "  bootes dhcp-snippet dnsmasq > /etc/dnsmasq.d/bootes.conf\n" +
			"  bootes dhcp-snippet windows --interface eth1\n" +
			"  bootes dhcp-snippet kea --server 192.168.1.10",
		ValidArgs: dhcpsnippet.Servers(),
		RunE: func(_ *cobra.Command, args []string) error {
			v, err := f.values()
			if err != nil {
				return err
			}
			text, err := dhcpsnippet.Write(args[0], v)
			if err != nil {
				return withCode(exitUsage, err)
			}
			return a.print(snippet{args[0], v.Server.String(), text}, func() string { return text })
		},
	}
	s := c.Flags()
	s.StringVarP(&f.config, "config", "c", config.DefaultPath, "config `file`")
	s.StringVar(&f.iface, "interface", "", "the interface, by `name`, if the config names several")
	s.StringVar(&f.server, "server", "", "`address` of this server as the machines see it; the config is not read then")
	s.IntVar(&f.port, "http-port", 80, "with --server: the `port` of ports.http")
	return c
}

func (f snippetFlags) values() (v dhcpsnippet.Values, err error) {
	v.Loaders = snippetLoaders(nil)
	if f.server != "" {
		a, err := netip.ParseAddr(f.server)
		if err != nil || !a.Is4() {
			return v, usage("--server %q is no IPv4 address", f.server)
		}
		v.Server, v.HTTP = a, boot.URLHost(a, uint16(f.port))
		return v, nil
	}
	cfg, err := config.Load(f.config)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; or give this server's address with --server", err)
	}
	if err != nil {
		return v, err
	}
	v.Loaders = snippetLoaders(cfg.Loaders)
	i, err := f.network(cfg)
	if err != nil {
		return v, err
	}
	n, err := netif.ByName(i.Name)
	if err != nil {
		return v, withCode(exitNotFound, err)
	}
	p, ok := n.IPv4()
	if !ok {
		return v, withCode(exitNotFound, fmt.Errorf("interface %q has no IPv4 address: give it one, or give one with --server", i.Name))
	}
	v.Server, v.HTTP = p.Addr(), boot.URLHost(p.Addr(), uint16(cfg.Ports.HTTP))
	if i.HTTP.IsValid() {
		v.HTTP = boot.URLHost(i.HTTP, uint16(cfg.Ports.HTTP))
	}
	return v, nil
}

// network chooses the interface that a snippet is for.
func (f snippetFlags) network(cfg *config.Config) (config.Interface, error) {
	var beside []config.Interface
	var names []string
	for _, i := range cfg.Interfaces {
		if f.iface == i.Name && i.DHCP == config.Server {
			return i, withCode(exitRefused, fmt.Errorf("on interface %q Bootes is the DHCP server itself: there is no other to tell anything", i.Name))
		}
		if f.iface == i.Name && i.DHCP == config.Off {
			return i, withCode(exitRefused, fmt.Errorf("interface %q has dhcp: off: Bootes would not hear the machines there, and would give out no script; write dhcp: proxy", i.Name))
		}
		if i.DHCP == config.Server || i.DHCP == config.Off {
			continue
		}
		names = append(names, i.Name)
		if f.iface == "" || f.iface == i.Name {
			beside = append(beside, i)
		}
	}
	switch {
	case len(beside) == 1:
		return beside[0], nil
	case len(names) == 0:
		return config.Interface{}, withCode(exitNotFound, fmt.Errorf("%s has no interface with dhcp: proxy or auto: snippets are for networks with a DHCP server of their own", cfg.File))
	case f.iface != "":
		return config.Interface{}, withCode(exitNotFound, fmt.Errorf("%s names no interface %q: it has %s", cfg.File, f.iface, strings.Join(names, ", ")))
	}
	return config.Interface{}, usage("%s has several interfaces: choose one with --interface: %s", cfg.File, strings.Join(names, ", "))
}

// snippetKinds are the kinds of machines that snippets tell apart, with the
// loader that they have if no folder has another; "": those without are left out.
var snippetKinds = []struct {
	firmware loaders.Firmware
	loader   dhcpsnippet.Loader
}{
	{loaders.BIOS, dhcpsnippet.Loader{Name: "BIOS", Archs: []uint16{0}, File: "undionly.kpxe"}},
	{loaders.EFI64, dhcpsnippet.Loader{Name: "x86-64", Archs: []uint16{7, 9}, File: "snponly.efi"}},
	{loaders.HTTP64, dhcpsnippet.Loader{Name: "x86-64 HTTP", Archs: []uint16{16}, File: "snponly.efi", HTTP: true}},
	{loaders.EFIARM64, dhcpsnippet.Loader{Name: "arm64", Archs: []uint16{11}, File: "arm64/snponly.efi"}},
	{loaders.HTTPARM64, dhcpsnippet.Loader{Name: "arm64 HTTP", Archs: []uint16{19}, File: "arm64/snponly.efi", HTTP: true}},
	{loaders.EFI32, dhcpsnippet.Loader{Name: "IA32", Archs: []uint16{6}}},
	{loaders.HTTP32, dhcpsnippet.Loader{Name: "IA32 HTTP", Archs: []uint16{15}, HTTP: true}},
}

// snippetLoaders are the loaders that folders have for the kinds. A folder that
// is not there has none: `bootes serve` complains of it.
func snippetLoaders(folders []string) (all []dhcpsnippet.Loader) {
	var found []loaders.Folder
	for _, path := range folders {
		found = append(found, loaders.Folder{Path: path, FS: os.DirFS(path)})
	}
	f := loaders.NewFolders(found...)
	for _, k := range snippetKinds {
		if l, err := f.Loader(k.firmware); err == nil {
			k.loader.File = l.Name
		}
		if k.loader.File != "" {
			all = append(all, k.loader)
		}
	}
	return all
}
