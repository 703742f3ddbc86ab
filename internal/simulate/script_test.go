package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// play runs a script of a web server that has those files, and returns the
// verdict and what was shown.
func playScript(t *testing.T, f string, files map[string]string, script string) (Verdict, string) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.Error(w, "no such file", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, text)
	}))
	defer web.Close()
	fw, err := FirmwareByName(f)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(web.URL + "/boot.ipxe")
	p := &player{Options: Options{MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}}, story: story{stage: StageScript}}
	c := choice{lease: Answer{Address: netip.MustParseAddr("10.0.0.5"), Server: netip.MustParseAddr("10.0.0.1")}, next: netip.MustParseAddr("10.0.0.1"), file: u.String()}
	err = p.runScript(t.Context(), fw, c, u, fetched{data: []byte(strings.ReplaceAll(script, "WEB", u.Host))})
	var end *ending
	if !errors.As(err, &end) {
		t.Fatalf("no verdict: %v", err)
	}
	return end.Verdict, texts(Report{Steps: p.story.steps})
}

func TestScripts(t *testing.T) {
	linux := strings.Repeat("\x00", 0x202) + "HdrS"
	efi := strings.Repeat("\x00", 64)
	files := map[string]string{
		"linux": linux, "initrd": "x", "second.ipxe": "#!ipxe\necho second for ${mac:hexhyp}\nexit 0\n", "fails.ipxe": "#!ipxe\nexit 1\n",
		"self.ipxe": "#!ipxe\nchain self.ipxe\n", "x.bin": efi, "undionly.kpxe": "PXE->EB:", "grub.0": "grub_main", "disc.iso": strings.Repeat("\x00", 2048),
	}
	for name, tt := range map[string]struct {
		firmware, script string
		outcome          Outcome
		want             string // of the verdict
		shown            string
	}{
		"kernel":    {"ipxe-bios", "#!ipxe\nkernel linux root=/dev/x ip=${ip} || goto no\ninitrd initrd\nboot\n:no\nreboot\n", Boots, "/initrd; what that needs further is not seen from here", "its command line: root=/dev/x ip=10.0.0.5"},
		"UEFI":      {"ipxe", "#!ipxe\nkernel linux || echo failed\n", Fails, "shows: failed", "under UEFI iPXE runs kernels that are EFI programs only"},
		"chain":     {"ipxe-bios", "#!ipxe\nchain second.ipxe\necho back\n", Fails, "shows: second for 52-54-00-00-00-01 / back", "the script ends, and firmware goes on"},
		"fallback":  {"ipxe-bios", "#!ipxe\nchain fails.ipxe || chain none.ipxe || echo nothing\nshell\n", Fails, "shows: nothing", "404 Not Found: no such file"},
		"stops":     {"ipxe-bios", "#!ipxe\nchain none.ipxe\necho never\n", Fails, "the script ends, and firmware goes on", "it stops here: chain none.ipxe"},
		"replace":   {"ipxe-bios", "#!ipxe\nchain --replace --autofree second.ipxe ||\necho never\n", Fails, "shows: second for", "the last script ends"},
		"loop":      {"ipxe-bios", "#!ipxe\n:again\nsleep 1\ngoto again\n", Fails, "a loop: the script goes round for ever", ""},
		"goto":      {"ipxe-bios", "#!ipxe\n:again\ngoto again\n", Fails, "a loop: the script goes round for ever", ""},
		"recursion": {"ipxe-bios", "#!ipxe\nchain self.ipxe\n", Fails, "a loop: scripts chain one another, 16 deep", ""},
		"settings": {"ipxe", "#!ipxe\nset n 1\ninc n 2\nset a${n} yes\niseq ${a3} yes && echo ok ${platform} ${buildarch} ${net0/mac} ||\nclear n\nisset ${n} || echo gone\n",
			Fails, "shows: ok efi x86_64 52:54:00:00:00:01 / gone", ""},
		"menu":     {"ipxe-bios", "#!ipxe\nmenu Pick\nitem --gap -- x\nitem --key a one First thing\nitem two\nchoose --timeout 3000 --default two what && goto ${what}\n:one\nexit\n:two\necho two\n", Fails, "shows: two", "its time-out takes it"},
		"no label": {"ipxe-bios", "#!ipxe\ngoto nowhere\n", Fails, "the script ends", "goto nowhere: there is no such label"},
		"command":  {"ipxe-bios", "#!ipxe\nfrobnicate || echo none\n", Fails, "shows: none", "frobnicate: iPXE has no such command"},
		"ipxe":     {"ipxe-bios", "#!ipxe\nchain undionly.kpxe\n", Unclear, "the script chains another iPXE", "it is iPXE"},
		"program":  {"ipxe-bios", "#!ipxe\nchain x.bin\n", Unclear, "/x.bin and runs it; it is no program that is known here. Here it ends, because only iPXE is played on", "no program that is known here"},
		"grub":     {"ipxe-bios", "#!ipxe\nchain grub.0\n", Unclear, "it is GRUB. Here it ends, because only iPXE is played on: GRUB looks for its grub.cfg next", ""},
		"not EFI":  {"ipxe", "#!ipxe\nchain x.bin || echo no\n", Fails, "shows: no", "exec format error"},
		"other":    {"ipxe", "#!ipxe\nsanboot aoe:e1.1\n", Unclear, "it would boot from aoe:e1.1", ""},
		"http":     {"ipxe", "#!ipxe\nsanboot --no-describe http://WEB/disc.iso\n", Unclear, "/disc.iso is there, and iPXE would read it block by block", "2048 bytes, application/octet-stream"},
		"no image": {"ipxe", "#!ipxe\nsanboot http://WEB/none.iso\n", Fails, "/none.iso cannot be fetched: the web server answers 404 Not Found", ""},
		"autoboot": {"ipxe", "#!ipxe\nautoboot\n", Unclear, "asks by DHCP again", ""},
		"bad disk": {"ipxe", "#!ipxe\nsanboot iscsi:x || echo no\n", Fails, "shows: no", `"iscsi:x" names no iSCSI disk: write iscsi:SERVER:PROTOCOL:PORT:LUN:TARGET`},
		"https":    {"ipxe", "#!ipxe\nchain https://h/x || echo no\n", Fails, "shows: no", "https needs what the machine trusts"},
		"card":     {"ipxe", "#!ipxe\nifopen net0 && echo a\nifopen net1 || echo b\ndhcp && echo c\n", Fails, "shows: a / b / c", ""},
	} {
		v, shown := playScript(t, tt.firmware, files, tt.script)
		if v.Outcome != tt.outcome || !strings.Contains(v.Text, tt.want) || !strings.Contains(shown, tt.shown) {
			t.Errorf("%s: %+v\n%s", name, v, shown)
		}
	}
}

// A script that shows lines for ever is told of in as many as people read.
func TestScreenIsBounded(t *testing.T) {
	long := strings.Repeat("é", screenColumns)
	v, shown := playScript(t, "ipxe", nil, "#!ipxe\n:again\necho "+long+"\necho short\ngoto again\n")
	if n := strings.Count(shown, "\n"); n > maxShown+10 || !strings.Contains(shown, "… and so on") {
		t.Errorf("%d lines", n)
	}
	if strings.Contains(shown, long) || len(v.Text) > 2*screenLines*screenColumns {
		t.Errorf("%d bytes in the verdict", len(v.Text))
	}
}

func TestSecretsOfScriptsAreNotTold(t *testing.T) {
	_, shown := playScript(t, "ipxe", nil, "#!ipxe\nset username u\nset password geheim\nset reverse-password geheim2\nsanboot iscsi:127.0.0.1::1:0:iqn.x\n")
	if strings.Contains(shown, "geheim") || !strings.Contains(shown, "by CHAP as u") {
		t.Errorf("%s", shown)
	}
}

func TestParseTarget(t *testing.T) {
	got, err := parseTarget("iscsi:10.77.0.1::3261:1f:iqn.2026-01.x:pc:1")
	if want := (target{netip.MustParseAddrPort("10.77.0.1:3261"), 0x1f, "iqn.2026-01.x:pc:1"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for uri, want := range map[string]string{
		"iscsi:host::::iqn.x": `"iscsi:host::::iqn.x" names no address`, "iscsi:10.0.0.1::x::iqn.x": "names no port", "iscsi:10.0.0.1:::zz:iqn.x": "names no LUN here", "aoe:e0": "names no iSCSI disk",
	} {
		if _, err := parseTarget(uri); !errors.Is(err, errURI) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// TestTicketGoesToItsServer: whoever answers by DHCP could name a URL.
func TestTicketGoesToItsServer(t *testing.T) {
	p := &player{Options: Options{Ticket: "t", Servers: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}
	for in, want := range map[string]string{
		"http://10.0.0.1/ipxe/52-54-00-00-00-01": "http://10.0.0.1/ipxe/52-54-00-00-00-01?simulate=t",
		"http://10.0.0.2/ipxe/52-54-00-00-00-01": "http://10.0.0.2/ipxe/52-54-00-00-00-01?simulate=",
		"http://10.0.0.1/other":                  "http://10.0.0.1/other",
	} {
		u, _ := url.Parse(in)
		if got := p.mark(u); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// FuzzScript: a script is whatever a server sends.
func FuzzScript(f *testing.F) {
	f.Add("#!ipxe\nset a ${b${c}}\n:x\niseq ${a} ${mac:hexhyp} && goto x || echo ${ ${\n")
	f.Add("#!ipxe\nitem a b\nchoose --default c d ; isset ${d} && exit 1\n")
	fw, _ := FirmwareByName("ipxe")
	f.Fuzz(func(t *testing.T, script string) {
		p := &player{Options: Options{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nothing is fetched
		r := newRunner(p, fw, choice{})
		for _, line := range lines([]byte(script)) {
			for _, c := range commands(line) {
				for i, arg := range c.args {
					c.args[i] = r.settings.expand(arg)
				}
				if len(c.args) > 0 && c.args[0] != "sanboot" && c.args[0] != "sanhook" {
					_ = r.command(ctx, c.args)
				}
			}
		}
	})
}
