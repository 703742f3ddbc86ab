package config

import (
	"errors"
	"testing"
)

func TestUnknownMachines(t *testing.T) {
	iface := "interfaces:\n  - name: eth0\n"
	for text, want := range map[string]Interface{
		"":                    {Unknown: Ignore},
		"    unknown: hold\n": {Unknown: Hold},
		"    unknown: hold\n    enrol: {mode: ephemeral}\n":                                        {Unknown: Hold, Enrol: Enrolment{Mode: "ephemeral"}},
		"    enrol: {image: debian:12, mode: persistent, name: pc-%}\n    unknown: enrol\n":        {Unknown: Enrol, Enrol: Enrolment{"debian:12", "persistent", "pc-%"}},
		"    enrol:\n      image: debian:12\n      name: '%serial.lab'\n    unknown: enrol\n":      {Unknown: Enrol, Enrol: Enrolment{Image: "debian:12", Name: "%serial.lab"}},
		"    dhcp: server\n    range: 10.0.0.1-10.0.0.2\n    unknown: hold\n    enrol: {name: n%}": {Unknown: Hold, Enrol: Enrolment{Name: "n%"}},
	} {
		i := parse(t, iface+text).Interfaces[0]
		if i.Unknown != want.Unknown || i.Enrol != want.Enrol {
			t.Errorf("%s: %+v, %+v", text, i.Unknown, i.Enrol)
		}
	}
}

func TestFaultsAboutUnknownMachines(t *testing.T) {
	const name = "write a host name with % for a number, %serial for the serial number or %mac for the MAC address, such as pc-%"
	iface := "interfaces:\n  - name: eth0\n"
	enrol := iface + "    unknown: enrol\n"
	for text, want := range map[string]string{
		iface + "    unknown: held\n":                `f:3:14: interfaces[0].unknown: "held" is no policy for unknown machines; write ignore, hold (until a person approves them) or enrol`,
		iface + "    unknown:\n":                     `f:3:5: interfaces[0].unknown: is empty; write ignore, hold (until a person approves them) or enrol, or take the line out`,
		iface + "    dhcp: off\n    unknown: hold\n": `f:4:14: interfaces[0].unknown: has no meaning with dhcp: off; write dhcp: proxy or server if Boötes shall tell machines here what to boot, or take the line out`,
		iface + "    enrol: {image: debian:12}\n":    `f:3:13: interfaces[0].enrol: has no meaning with unknown: ignore; write unknown: hold or enrol, or take the line out`,
		enrol:                                  `f:2:5: interfaces[0]: unknown: enrol has no image; write what they boot, such as enrol: {image: debian:12}`,
		enrol + "    enrol: {image: debian}\n": "f:2:5: interfaces[0]: unknown: enrol has no image; write what they boot, such as enrol: {image: debian:12}\nf:4:20: interfaces[0].enrol.image: \"debian\" is no image; write name:tag, such as debian:12",
		enrol + "    enrol: {image: debian:12, mode: kept}\n":               `f:4:37: interfaces[0].enrol.mode: "kept" is no mode of a disk; write persistent (kept from boot to boot) or ephemeral`,
		enrol + "    enrol: {image: debian:12, name: pc}\n":                 `f:4:37: interfaces[0].enrol.name: "pc" is no pattern of names; ` + name,
		enrol + "    enrol: {image: debian:12, name: PC%}\n":                `f:4:37: interfaces[0].enrol.name: "PC%" is no pattern of names; ` + name,
		enrol + "    enrol: {image: debian:12, name: pc-%serial-%mac}\n":    `f:4:37: interfaces[0].enrol.name: "pc-%serial-%mac" is no pattern of names; ` + name,
		enrol + "    enrol: {image: debian:12, size: 5}\n":                  `f:4:31: interfaces[0].enrol: unknown key "size"; the keys here are image, mode, name`,
		enrol + "    enrol: {image: debian:12, name: 'a%', mode: x y}\n   ": `f:4:49: interfaces[0].enrol.mode: "x y" is no mode of a disk; write persistent (kept from boot to boot) or ephemeral`,
	} {
		_, err := Parse("f", []byte(text))
		var faults Faults
		if !errors.As(err, &faults) || err.Error() != want {
			t.Errorf("of\n%s\ngot\n%v\nwant\n%s", text, err, want)
		}
	}
}
