package config

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzParse: whatever the bytes, the result is a config that keeps its own
// promises or an error with a place inside the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte(Example))
	f.Add([]byte("interfaces: [{name: a, dhcp: server, range: 10.0.0.1-10.0.0.9, prefix: 10.0.0.0/8, lease: 1d}]"))
	f.Add([]byte("interfaces: [{name: a, dhcp: server, subnets: [{range: [10.0.0.1-10.0.0.9], prefix: 10.0.0.0/8, exclude: 10.0.0.2, options: {43: 'hex:0102'}}]}]"))
	f.Add([]byte("metrics: 127.0.0.1:9660\nports: {http: 9660}"))
	f.Add([]byte("a: &x [*x]\n? b\n: - |\n  c\n<<: *x\n--- !!map {}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		c, err := Parse("f", b)
		if err == nil {
			checkConfig(t, c)
			return
		}
		lines := 2 + bytes.Count(b, []byte{'\n'}) + bytes.Count(b, []byte{'\r'})
		var faults Faults
		var syntax *SyntaxError
		switch {
		case errors.As(err, &faults):
			for _, fault := range faults {
				if fault.Line < 1 || fault.Line > lines || fault.Column < 1 || fault.What == "" || fault.Right == "" {
					t.Errorf("fault without place or words: %+v", fault)
				}
			}
		case errors.As(err, &syntax):
			if syntax.Line < 1 || syntax.Line > lines || syntax.What == "" {
				t.Errorf("syntax error without place or words: %+v", syntax)
			}
		default:
			t.Errorf("an error of neither sort: %T %v", err, err)
		}
	})
}

func checkConfig(t *testing.T, c *Config) {
	for _, p := range []int{c.Ports.HTTP, c.Ports.TFTP, c.Ports.ISCSI} {
		if p < 1 || p > 65535 {
			t.Errorf("port %d", p)
		}
	}
	if c.Data == "" || c.IQNPrefix == "" || c.API.Socket == "" || c.API.Group == "" || c.Limits.MinFree == (Space{}) || c.Limits.Volume < 0 {
		t.Errorf("%+v", c)
	}
	if m := c.Metrics; m.IsValid() && (m.Port() == 0 || int(m.Port()) == c.Ports.HTTP || int(m.Port()) == c.Ports.ISCSI) {
		t.Errorf("metrics at %s", m)
	}
	names := map[string]bool{}
	for _, i := range c.Interfaces {
		if i.Name == "" || names[i.Name] || i.Lease < minLease || (i.DHCP == Server) != (len(i.Ranges)+len(i.Subnets) > 0) {
			t.Errorf("%+v", i)
		}
		names[i.Name] = true
		for _, sub := range append([]Subnet{i.Subnet}, i.Subnets...) {
			checkSubnet(t, sub)
		}
	}
}

func checkSubnet(t *testing.T, s Subnet) {
	for _, p := range append(s.Ranges, s.Exclude...) {
		if !p.First.Is4() || p.Last.Less(p.First) || s.Prefix.IsValid() && !p.meets(Range{s.Prefix.Addr(), p.Last}) {
			t.Errorf("range %s of %s", p, s.Prefix)
		}
	}
	for _, o := range s.Options {
		if len(o.Value) == 0 || len(o.Value) > maxOption || ourOptions[o.Code] != "" {
			t.Errorf("option %d: % x", o.Code, o.Value)
		}
	}
	if s.Renew >= s.Lease || s.Rebind >= s.Lease {
		t.Errorf("%s, %s, %s", s.Renew, s.Rebind, s.Lease)
	}
}
