package diagnose

import (
	"fmt"
	"strings"

	"bootes.dev/internal/recorder"
)

// Pool is the addresses that are given to whoever asks, where none was left.
type Pool struct {
	Range     string
	Addresses int      // 0: nothing is known of it
	Held      int      // of those
	Holders   []string // some of who has them: machines, host names, or MACs
	Machines  int      // that have been added
}

func poolExhausted(c Case) report {
	d, who := c.DHCP, c.firmware()
	if c.Stage == recorder.StageIPXE {
		d, who = c.IPXE, "iPXE"
	}
	text := "the pool of addresses is used up"
	if p := c.Pool; p.Addresses > 0 && p.Machines > p.Addresses {
		text = fmt.Sprintf("the range is too small: %s for %s that have been added", counted(p.Addresses, "address", "addresses"), counted(p.Machines, "machine", "machines"))
	}
	return report{
		summary:  fmt.Sprintf("%s asks for an address, and none is left on %s", who, c.Interface),
		evidence: append(c.asked(d, who), c.Pool.facts()...),
		causes: []recorder.Cause{cause(text,
			"`bootes lease ls` shows who has them; write a larger range:, or a shorter lease:, for %s into the config and restart the server. "+
				"`bootes machine set %s --address ADDRESS` keeps one outside of the range for it", c.Interface, c.Subject)},
	}
}

func (p Pool) facts() (f facts) {
	if p.Addresses == 0 {
		return nil
	}
	f.add(true, "the range there is %s: %s", p.Range, counted(p.Addresses, "address", "addresses"))
	more := ""
	if n := p.Held - len(p.Holders); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	f.add(len(p.Holders) > 0, "held by %s%s", strings.Join(p.Holders, ", "), more)
	return f
}

func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}
