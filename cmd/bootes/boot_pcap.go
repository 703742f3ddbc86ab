package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"
)

func (a *app) bootPcap() *cobra.Command {
	var boot string
	c := &cobra.Command{
		Use: "pcap MACHINE", Short: "Write the last packets of a machine to standard output, for Wireshark", Args: exactly("MACHINE"),
		Long: "Write the last packets of a machine to standard output, as a pcap file, which Wireshark, tshark and\n" +
			"tcpdump read. They are those that matter to a boot: DHCP and ARP, the requests, answers and errors of\n" +
			"TFTP and HTTP, the logins of iSCSI, the beginnings and ends of connections. Secrets and what disks hold\n" +
			"are not among them. With --boot, only those of one boot; `bootes boot log MACHINE -o json` has the ids.\n" +
			"A computer that nobody has added is named by its MAC address.",
		Example: "  bootes boot pcap pc01 > pc01.pcap\n  bootes boot pcap 52:54:00:12:34:56 | tshark -r -",
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			switch {
			case a.format == "json":
				return usage("pcap writes a file for Wireshark, not JSON: leave -o json out")
			case terminal(a.out):
				return usage("packets are binary, which a terminal does not take: write them to a file with > %s.pcap, or look at them with | tshark -r -", clean(name))
			}
			if hw, err := net.ParseMAC(name); err == nil {
				name = hw.String()
			}
			file, err := a.client().Packets(cmd.Context(), name, boot)
			if err != nil {
				return err
			}
			if _, err := a.out.Write(file); err != nil {
				return fmt.Errorf("write packets: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&boot, "boot", "", "only the boot with this `id`")
	return c
}
