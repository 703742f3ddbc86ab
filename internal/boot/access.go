package boot

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"bootes.dev/internal/inventory"
)

// allowed refuses, with *Denied, an initiator that has proved its secret but may
// not open m's disks: at another target, under another name, or from elsewhere.
// Target is not looked at in a discovery session. st are the static credentials
// that it has proved; nil if they are a boot's.
func (s *Service) allowed(ctx context.Context, m inventory.Machine, in Initiator, st *inventory.Static) error {
	if in.Target != "" && in.Target != s.Target(m.Name) {
		return denied("these are credentials of %s, for %s only", m.Name, s.Target(m.Name))
	}
	hba := st != nil && st.Initiator != "" && in.Name == st.Initiator
	if !hba && in.Name != s.InitiatorName(m.Name) && !slices.Contains(m.Access.Initiators, in.Name) {
		names := append([]string{in.Name}, m.Access.Initiators...)
		return denied("%s is not the initiator name of %s, nor one that its rule \"initiator\" names: `bootes machine set %s --initiator %s` lets it in",
			in.Name, m.Name, m.Name, shellWord(strings.Join(names, ",")))
	}
	if err := from(m, in.Remote); err != nil {
		return err
	}
	return s.leased(ctx, m, in.Remote)
}

func from(m inventory.Machine, remote netip.Addr) error {
	var list []string
	for _, p := range m.Access.From {
		if p.Contains(remote) {
			return nil
		}
		list = append(list, inventory.FromText(p))
	}
	if len(list) == 0 {
		return nil
	}
	networks := strings.Join(list, ",")
	return denied("%s is not in what the rule \"from\" of %s names, %s: `bootes machine set %s --from %s,%s` lets it in",
		remote, m.Name, networks, m.Name, networks, remote)
}

// leased refuses, by m's rule, an address that is not that of one of m's cards:
// by the neighbour table or, behind a router, by the leases.
func (s *Service) leased(ctx context.Context, m inventory.Machine, remote netip.Addr) error {
	if !m.Access.Lease {
		return nil
	}
	who := "whose MAC is unknown"
	if mac, ok := s.Locate(ctx, remote); ok {
		if slices.Contains(m.MACs, mac.String()) {
			return nil
		}
		who = "which is " + mac.String()
	} else if l, err := s.Inventory.LeaseAt(ctx, remote); err == nil {
		if slices.Contains(m.MACs, l.MAC) {
			return nil
		}
		who = "which is leased to " + l.MAC
	}
	return denied("%s, %s, is not the address of %s (%s), which its rule \"lease\" asks for: `bootes machine set %s --lease=false` ends that",
		remote, who, m.Name, strings.Join(m.MACs, ", "), m.Name)
}

// shellWord is s as a shell takes it literally: an initiator calls itself what it
// likes, and whoever reads its refusal may paste the remedy.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:,-_") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func denied(format string, args ...any) error { return &Denied{Reason: fmt.Sprintf(format, args...)} }
