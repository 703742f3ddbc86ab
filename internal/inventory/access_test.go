package inventory

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestAccessIsPutInOrder(t *testing.T) {
	a := Access{
		From:       []netip.Prefix{netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("10.0.0.0/8")},
		Initiators: []string{"IQN.2026-01.org.example:B", "eui.0123", "iqn.2026-01.org.example:b"},
	}
	if err := a.normalise(); err != nil {
		t.Fatal(err)
	}
	want := Access{
		From:       []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("10.0.0.7/32")},
		Initiators: []string{"eui.0123", "iqn.2026-01.org.example:b"},
	}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("%+v", a)
	}
}

func TestAccessFaults(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.0/33": `network "10.0.0.0/33" is not valid: write one such as 10.0.0.0/24, or the IPv4 address of a host`,
		"fe80::/10":   `network "fe80::/10" is not valid: write one such as 10.0.0.0/24, or the IPv4 address of a host`,
		"::1":         `network "::1" is not valid: write one such as 10.0.0.0/24, or the IPv4 address of a host`,
		"":            `network "" is not valid: write one such as 10.0.0.0/24, or the IPv4 address of a host`,
	} {
		if _, err := ParseFrom(in); err == nil || err.Error() != want {
			t.Errorf("%q: %v", in, err)
		}
	}
	for _, in := range []string{"", "pc01", "iqn.a b", "iqn.a,b", "iqn.ö", "iqn." + strings.Repeat("x", 220)} {
		_, err := ParseInitiator(in)
		if err == nil || !strings.HasSuffix(err.Error(), "is not valid: it begins with iqn., eui. or naa. and has no blanks, such as iqn.1991-05.com.microsoft:pc01") {
			t.Errorf("%q: %v", in, err)
		}
	}
	for in, want := range map[string]string{"10.0.0.9": "10.0.0.9/32", "10.0.0.9/24": "10.0.0.0/24"} {
		if p, err := ParseFrom(in); err != nil || p.String() != want {
			t.Errorf("%q: %s, %v", in, p, err)
		}
	}
}
