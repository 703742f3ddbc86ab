package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bootes.dev/internal/api"
)

// accessFlags are the flags of `machine add` and `machine set` about who may
// open the machine's disks.
type accessFlags struct {
	from, initiators []string
	lease            bool
}

func (f *accessFlags) register(c *cobra.Command) {
	s := c.Flags()
	s.StringSliceVar(&f.from, "from", nil, "open its disks only from these `networks` or addresses, or none for anywhere")
	s.StringSliceVar(&f.initiators, "initiator", nil, "iSCSI `name` that may open its disks beside its own; or none")
	s.BoolVar(&f.lease, "lease", false, "open its disks only from the address that its network card has; --lease=false ends that")
}

// change tells what the command line asked for; nil for nothing.
func (f *accessFlags) change(c *cobra.Command) (_ *api.AccessChange, err error) {
	given := c.Flags().Changed
	var ch api.AccessChange
	if given("from") {
		if ch.From, err = orNone("from", f.from); err != nil {
			return nil, err
		}
	}
	if given("initiator") {
		if ch.Initiators, err = orNone("initiator", f.initiators); err != nil {
			return nil, err
		}
	}
	if given("lease") {
		ch.Lease = &f.lease
	}
	if ch == (api.AccessChange{}) {
		return nil, nil
	}
	return &ch, nil
}

// orNone is a list, empty where it says none. One that is empty already, as by a
// script's variable that is not set, must not take a rule away.
func orNone(flag string, list []string) (*[]string, error) {
	if len(list) == 0 {
		return nil, usage("--%s is empty: to take the rule away, write none", flag)
	}
	if slices.Equal(list, []string{"none"}) {
		list = []string{}
	}
	return &list, nil
}

// accessLines are the rules as `machine show` has them.
func accessLines(a *api.Access) []string {
	if a == nil {
		return nil
	}
	lease := ""
	if a.Lease {
		lease = "only from the address of its network card"
	}
	return []string{"from", strings.Join(a.From, ", "), "initiators", strings.Join(a.Initiators, ", "), "lease", lease}
}
