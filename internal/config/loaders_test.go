package config

import (
	"slices"
	"testing"
)

func TestLoaders(t *testing.T) {
	for text, want := range map[string][]string{
		"":                       {"/usr/lib/ipxe"},
		"loaders: /opt/ipxe/\n":  {"/opt/ipxe"},
		"loaders: [/a, /b]\n":    {"/a", "/b"},
		"loaders:\n- /b\n- /a\n": {"/b", "/a"},
	} {
		if c, err := Parse("f", []byte(text)); err != nil || !slices.Equal(c.Loaders, want) {
			t.Errorf("%q: %v, %v, want %v", text, c, err, want)
		}
	}
	for text, want := range map[string]string{
		"loaders: ipxe\n":     `f:1:10: loaders: "ipxe" is no absolute path; write a path that begins with /`,
		"loaders: []\n":       `f:1:10: loaders: names no folder; write one that has undionly.kpxe or snponly.efi, such as /usr/lib/ipxe`,
		"loaders: [/a, b]\n":  `f:1:15: loaders[1]: "b" is no absolute path; write a path that begins with /`,
		"loaders: [/a, /a]\n": `f:1:15: loaders[1]: folder /a is here a second time; take it out`,
		"loaders: {a: b}\n":   `f:1:11: loaders: is a block of keys; write a path that begins with /`,
	} {
		if _, err := Parse("f", []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q:\n%v, want\n%s", text, err, want)
		}
	}
}
