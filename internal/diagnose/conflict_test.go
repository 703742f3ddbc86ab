package diagnose

import "bootes.dev/internal/recorder"

// conflictCases are those of addresses that two have.
func conflictCases() map[string]Case {
	claimed := func(x Conflict) func(*Case) { return func(c *Case) { c.Conflict = x } }
	printer, laptop := Card{MAC: "00:1b:a9:40:11:0d"}, Card{MAC: "52:54:00:aa:00:01"}
	ours := Card{MAC: "00:1b:a9:40:11:0e", Machine: "pc7"}
	return map[string]Case{
		"address-conflict":         at(recorder.StageRead, loaded, claimed(Conflict{Machine: []Card{printer}, Alive: true})),
		"address-conflict_machine": at(recorder.StageKernel, up, claimed(Conflict{Machine: []Card{ours}})),
		"address-conflict_server":  at(recorder.StageFirmware, leased, claimed(Conflict{Server: []Card{laptop}})),
		"mac-conflict": at(recorder.StageScript, scripted, with(func(c *Case) {
			c.Login.Refusals, c.Login.Refused, c.Twin = 2, "boot pc1-7 is over, a newer one has begun", "it has two exchanges of DHCP under way at once, where a computer has one"
		})),
		"not-bootable_conflict": at(recorder.StageRead, scripted, claimed(Conflict{Machine: []Card{printer}}), with(func(c *Case) { c.Firmware, c.Disk.Layout = bios, Layout{Seen: true} })),
	}
}
