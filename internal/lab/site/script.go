package site

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"bootes.dev/internal/lab"
)

var setLine = regexp.MustCompile(`(?m)^set (\S+) (\S+)$`)

// Script plays iPXE on a host of the lab, whose card has the MAC of a machine,
// up to the machine's script, which holds the key to its disk. It returns what
// the script sets: initiator-iqn, username, password and the like.
func (s *Site) Script(ctx context.Context, host *lab.Host, mac string) (map[string]string, error) {
	if err := s.askLikeIPXE(ctx, host); err != nil {
		return nil, err
	}
	out, err := host.Run(ctx, "curl", "-sSf",
		fmt.Sprintf("http://%s/ipxe/%s", s.Net.Server().Addr(), strings.ReplaceAll(mac, ":", "-")))
	if err != nil {
		return nil, err
	}
	set := map[string]string{}
	for _, m := range setLine.FindAllStringSubmatch(string(out), -1) {
		set[m[1]] = m[2]
	}
	return set, nil
}

// askLikeIPXE asks for an address as iPXE does: only then is there a script.
func (s *Site) askLikeIPXE(ctx context.Context, host *lab.Host) error {
	config := s.Net.Path("dhclient.conf")
	text := "send user-class \"iPXE\";\nsend vendor-class-identifier \"PXEClient:Arch:00000:UNDI:002001\";\nrequest subnet-mask;\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	p, err := host.Start(lab.Program{Path: "dhclient", Args: []string{"-4", "-d", "-1", "-cf", config,
		"-lf", s.Net.Path("dhclient.leases"), "-pf", s.Net.Path("dhclient.pid"), "-sf", "/bin/true", "eth0"}})
	if err != nil {
		return err
	}
	defer p.Kill()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		select {
		case <-p.Done():
			return fmt.Errorf("ask for an address: dhclient ended: %s", lastLines(p.Log))
		case <-ctx.Done():
			return fmt.Errorf("ask for an address: %w: %s", ctx.Err(), lastLines(p.Log))
		case <-time.After(50 * time.Millisecond):
		}
		if strings.Contains(lastLines(p.Log), "bound to") {
			return nil
		}
	}
}
