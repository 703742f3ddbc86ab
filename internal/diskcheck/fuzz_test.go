package diskcheck

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

func FuzzGrubScript(f *testing.F) {
	for _, s := range []string{
		system()[grubCfg],
		"function x {\n set a=b\n}\nsubmenu 'a' --id s {\n menuentry \"b\\\"\" --id b {\n linux /x ; initrd /y }\n}\nset default='s>b'\n",
		"{{{{{{{{{{{{", "}}}} menuentry x {", "menuentry 'x", "if [ a ] ; then set default=9; fi",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := parseScript([]byte(text))
		for _, c := range s.commands {
			if len(c.args) == 0 {
				t.Error("a command without a name")
			}
		}
		if e, _, ok := s.entry(); ok {
			for _, c := range e.commands {
				if len(c.args) == 0 {
					t.Error("a command without a name")
				}
			}
		}
		s.set("timeout")
	})
}

func FuzzFstab(f *testing.F) {
	f.Add("UUID=1 / ext4 defaults 0 1\n# x\n\n/dev/sda1\t/y\tauto\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range parseFstab([]byte(text)) {
			if m.spec == "" || m.line < 1 {
				t.Errorf("%+v", m)
			}
			m.has("nofail")
		}
	})
}

func FuzzInitramfs(f *testing.F) {
	f.Add([]byte(zipped(initramfs())))
	f.Add([]byte(zstandard(initramfs())))
	f.Add([]byte(lz4Legacy(initramfs(), 100)))
	f.Add(cpioOf(initramfs()))
	f.Add([]byte(zstandard(initramfs()) + string(cpioOf([]entry{{iscsiScript, "x"}}))))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := archive{}
		if wrong, whole := a.unpack(bufio.NewReader(bytes.NewReader(b))); wrong != "" && whole {
			t.Errorf("whole, though it %s", wrong)
		}
	})
}

func FuzzKernel(f *testing.F) {
	f.Add([]byte(bzImageOf(4096)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if z, ok := parseBzImage(b); ok && z.size < 0 {
			t.Errorf("%+v", z)
		}
	})
}

func FuzzModules(f *testing.F) {
	f.Add(system()["lib/modules/"+ver+"/modules.alias"], "8086:100e")
	f.Add("alias pci:v00008086d*sv* x\x00", "8086:")
	f.Fuzz(func(_ *testing.T, text, card string) {
		driversOf(strings.NewReader(text), card)
		driversOf(strings.NewReader(builtinAliases(text)), card)
	})
}

func TestBuiltinAliases(t *testing.T) {
	text := "e1000.license=GPL\x00e1000.alias=pci:v00008086d0000100Esv*sd*bc*sc*i*\x00"
	if got := driversOf(strings.NewReader(builtinAliases(text)), "8086:100e"); len(got) != 1 || got[0] != "e1000" {
		t.Errorf("%q", got)
	}
}

// TestScript is what is made of scripts as grub-mkconfig writes them.
func TestScript(t *testing.T) {
	s := parseScript([]byte(`
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
else
   set default="1>two"
fi
function savedefault {
	menuentry no { linux /no }
}
menuentry 'One' --class debian $menuentry_id_option 'one' {
	linux	/boot/vmlinuz root=/dev/sda1 # the first
}
submenu 'Advanced options' {
	menuentry 'Debian, with "6.1"' --id zero { linux /zero; initrd /i }
	menuentry 'Two' --id two {
		echo	'Loading \
 two'
		linux	"/boot/two" root=UUID=1
	}
}`))
	e, sure, ok := s.entry()
	if !ok || !sure || len(e.commands) != 2 || e.commands[1].line != 18 || strings.Join(e.commands[1].args, " ") != "linux /boot/two root=UUID=1" {
		t.Errorf("%+v, %v, %v", e, sure, ok)
	}
	for name, want := range map[string]int{"0": 0, "One": 0, "one": 0, "1": 1, "7": -1, "x": -1} {
		if got := index(s.entries, name); got != want {
			t.Errorf("%s is entry %d, want %d", name, got, want)
		}
	}
}

// TestBomb: what unpacks to more than any initramfs has is left alone.
func TestBomb(t *testing.T) {
	a := archive{texts: map[string]string{}, modules: map[string]bool{}, left: 1 << 20}
	wrong, whole := a.unpack(bufio.NewReader(strings.NewReader(zstandard([]entry{{"x", strings.Repeat("\x00", 4<<20)}}))))
	if wrong != "" || !whole || a.whole || a.left != 0 {
		t.Errorf("%q, %v, %+v", wrong, whole, a)
	}
}
