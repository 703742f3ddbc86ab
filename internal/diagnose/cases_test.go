package diagnose

import (
	"cmp"
	"net/netip"
	"time"

	"bootes.dev/internal/recorder"
)

var (
	us     = netip.MustParseAddr("10.77.0.1")
	rival  = netip.MustParseAddr("10.77.0.2")
	itself = netip.MustParseAddr("10.77.0.101")
	router = netip.MustParseAddr("10.78.0.1")
	gate   = netip.MustParseAddr("10.77.0.8")
	abroad = netip.MustParseAddr("10.88.0.57")
	home   = netip.MustParsePrefix("10.77.0.0/24")

	bios = Firmware{Name: "BIOS", Arch: "i386", Runs: "BIOS", Flag: "bios"}
	uefi = Firmware{Name: "UEFI x86-64", Arch: "x86_64", Runs: "UEFI x86-64", UEFI: true, Flag: "efi"}
)

// at is pc1, silent at a stage for 45 s, with what else is to be said of it.
func at(st recorder.Stage, more ...func(*Case)) Case {
	c := Case{
		Subject: "pc1", MAC: "52:54:00:00:00:01", Known: true, Interface: "eth0", Server: us, Ports: Ports{80, 69, 3260},
		Stage: st, Silent: 45 * time.Second, Firmware: uefi,
		DHCP: DHCP{Asked: 2, Answered: 2, File: "snponly.efi"},
	}
	for _, f := range more {
		f(&c)
	}
	return c
}

func proxy(c *Case) { c.DHCP.Proxy, c.IPXE.Proxy = true, true }

// leased: its firmware has an address of ours.
func leased(c *Case) { c.DHCP.Offered, c.DHCP.Has = itself, itself }

// relayed: it asks through a relay.
func relayed(c *Case) { c.DHCP.Relay, c.DHCP.Network = router, netip.MustParsePrefix("10.78.0.0/24") }

// elsewhere: its firmware has an address of another server.
func elsewhere(c *Case) {
	proxy(c)
	c.DHCP.Has, c.DHCP.From, c.DHCP.Others = itself, rival, []Server{{Addr: rival}}
}

// fetched: the loader has come.
func fetched(c *Case) {
	leased(c)
	c.Loader = Loader{Told: "snponly.efi", For: "UEFI x86-64", Name: "snponly.efi", Proto: "TFTP", Times: 1, Took: time.Second}
}

// scripted: iPXE has its script.
func scripted(c *Case) {
	fetched(c)
	c.IPXE = DHCP{Asked: 1, Answered: 1, File: "http://10.77.0.1/ipxe/52-54-00-00-00-01", Offered: itself, Has: itself}
	c.Script = Script{URL: c.IPXE.File, Portal: netip.AddrPortFrom(us, 3260), Ours: true}
	c.Disk = Disk{Volume: "pc1-abcd", Image: "debian:13", Ref: "debian:stable"}
	c.Past.Tag = true
}

// good is a disk that any firmware can start.
var good = Layout{Seen: true, Signature: true, Code: true, GPT: true, ESP: true, EFI: []string{"BOOTX64.EFI"}}

// loaded: a kernel was read.
func loaded(c *Case) {
	scripted(c)
	c.Disk.Layout, c.Disk.Reads, c.Disk.Read = good, 1200, 45<<20
}

// up: the system has opened its disk.
func up(c *Case) {
	loaded(c)
	c.System = System{Ended: "connection reset by peer", Lasted: 12 * time.Second}
}

// mute: the system has its session, and does not answer.
func mute(h Heard) func(*Case) {
	return func(c *Case) {
		c.System = System{Open: true, Deaf: true, Silent: time.Date(2026, 1, 2, 3, 4, 0, 0, time.Local), Lasted: 10 * time.Second}
		c.Heard, c.Disk.Unacknowledged, c.Pace = h, 48, Pace{Sent: 900, Resent: 7}
	}
}

// deaf: the system answers no ping.
func deaf(h Heard) func(*Case) {
	return func(c *Case) { c.System.Ended, c.System.Deaf, c.Heard = "the initiator answers no ping", true, h }
}

// closed: the system itself has closed its session's connection.
func closed(h Heard) func(*Case) {
	return func(c *Case) { c.System.Ended, c.Heard = "initiator closed the connection", h }
}

func with(f func(*Case)) func(*Case) { return f }

// cases are named after their kind and what is particular of them.
func cases() map[string]Case {
	all := map[string]Case{}
	for _, part := range []map[string]Case{firmwareCases(), transferCases(), loaderCases(), ipxeCases(), diskCases(), systemCases(), slowCases(), loopCases(), conflictCases(), contentsCases()} {
		for name, c := range part {
			all[name] = c
		}
	}
	return all
}

func firmwareCases() map[string]Case {
	const st = recorder.StageFirmware
	stranger := func(c *Case) {
		c.Known, c.Subject, c.DHCP.File = false, c.MAC, ""
		c.HowTo = "bootes machine add NAME --mac 52:54:00:00:00:01 --image debian:12"
	}
	return map[string]Case{
		"unknown-machine":          at(st, stranger),
		"unknown-machine_mistyped": at(st, stranger, with(func(c *Case) { c.Near = Card{MAC: "52:54:00:00:00:10", Machine: "pc7"} })),
		"unknown-machine_waits": at(recorder.StageIPXE, stranger, with(func(c *Case) {
			c.Script.Waiting = true
		})),
		"no-loader-for-firmware": at(st, with(func(c *Case) {
			c.Firmware = Firmware{Name: "UEFI arm64", Arch: "arm64", UEFI: true, Flag: "arm64"}
			c.DHCP.File = ""
			c.DHCP.NoBoot = "no loader for its firmware (UEFI arm64): put iPXE's snponly.efi for arm64 as arm64/snponly.efi into a folder of loaders: in the config"
		})),
		"pool-exhausted": at(st, with(func(c *Case) {
			c.DHCP.Full, c.DHCP.Answered, c.DHCP.Refused = true, 0, "no address left in the pool"
		})),
		"pool-exhausted_one": at(st, with(func(c *Case) {
			c.DHCP.Full, c.DHCP.Answered, c.DHCP.Refused = true, 0, "offer an address out of the range 10.77.0.100: no address left in the pool"
			c.Pool = Pool{Range: "10.77.0.100", Addresses: 1, Held: 1, Holders: []string{"pc7"}, Machines: 2}
		})),
		"pool-exhausted_many": at(st, with(func(c *Case) {
			c.DHCP.Full, c.DHCP.Answered, c.DHCP.Refused = true, 0, "offer an address out of the range 10.77.0.100 to 10.77.0.119: no address left in the pool"
			c.Pool = Pool{Range: "10.77.0.100 to 10.77.0.119", Addresses: 20, Held: 20, Holders: []string{"pc7", "pc8", "phone", "02:00:00:00:00:99", "tv"}, Machines: 12}
		})),
		"no-address_no-server":    at(st, proxy),
		"no-address_other-server": at(st, proxy, with(func(c *Case) { c.DHCP.Others = []Server{{Addr: rival}, {Addr: router, Proxy: true}} })),
		"no-address_lost":         at(st, with(func(c *Case) { c.DHCP.Offered = itself })),
		"no-address_lost-here":    at(st, with(func(c *Case) { c.DHCP.Offered, c.DHCP.Heard = itself, 3 })),
		"no-address_relay": at(st, with(func(c *Case) {
			c.DHCP.Offered, c.DHCP.Relay = itself, router
		})),
		"no-address_no-route": at(st, relayed, with(func(c *Case) { c.DHCP.Offered, c.Way = itself, Way{Known: true, Missing: true, From: gate} })),
		"no-address_default-route": at(st, relayed, with(func(c *Case) {
			c.DHCP.Offered, c.DHCP.Network = itself, netip.Prefix{}
			c.Way = Way{Known: true, Interface: "eth1", Gateway: gate, Default: true}
		})),
		"no-address_relay-answers": at(st, relayed, with(func(c *Case) {
			c.DHCP.Offered, c.Way = itself, Way{Known: true, Interface: "eth0", Gateway: gate, Answers: true}
		})),
		"no-address_relay-silent": at(st, relayed, with(func(c *Case) {
			c.DHCP.Offered, c.Way = itself, Way{Known: true, Interface: "eth0"}
		})),
		"loader-not-fetched_relay": at(st, leased, relayed, with(func(c *Case) {
			c.Knocks, c.Way = Knocks{Known: true}, Way{Known: true, Interface: "eth0", Gateway: gate, Answers: true}
		})),
		"no-address_refused": at(st, with(func(c *Case) {
			c.DHCP.Answered, c.DHCP.Refused, c.DHCP.Relay = 0, "came through relay 10.78.0.1, and no network of interface \"eth0\" has that address", router
		})),
		"no-address_refused-alone": at(st, proxy, with(func(c *Case) {
			c.DHCP.Answered, c.DHCP.Refused = 0, "no DHCP server answers on this network: switch it on"
		})),
		"no-address_lost-its-address": at(st, with(func(c *Case) {
			c.DHCP.Answered, c.DHCP.Refused = 0, "this server's interface eth0 has no IPv4 address any more: `ip addr add ADDRESS/LENGTH dev eth0` gives it back"
		})),
		"no-address_unreachable": at(st, relayed, with(func(c *Case) {
			c.DHCP.Answered, c.DHCP.Refused, c.Way = 0, "send OFFER to 10.78.0.1:67: network is unreachable", Way{Known: true, Missing: true}
		})),
		"offer-ignored":         at(st, elsewhere),
		"offer-ignored_others":  at(st, elsewhere, with(func(c *Case) { c.DHCP.Heard = 7 })),
		"offer-ignored_knocks":  at(st, elsewhere, with(func(c *Case) { c.Knocks = Knocks{Known: true, Proxy: 4} })),
		"offer-ignored_named":   at(st, elsewhere, with(func(c *Case) { c.DHCP.Others[0].File, c.DHCP.Others[0].Next = "pxelinux.0", abroad })),
		"offer-ignored_outside": at(st, elsewhere, with(func(c *Case) { c.DHCP.Has, c.DHCP.Outside = abroad, home })),
		"offer-ignored_server": at(st, with(func(c *Case) {
			c.DHCP.Offered, c.DHCP.From, c.DHCP.Others = itself, rival, []Server{{Addr: rival, MAC: "00:1b:a9:40:11:0d"}}
		})),
		"loader-not-fetched": at(st, leased),
		"loader-not-fetched_http": at(st, leased, with(func(c *Case) {
			c.Firmware = Firmware{Name: "UEFI x86-64 HTTP", Arch: "x86_64", UEFI: true, HTTP: true, Flag: "http"}
			c.DHCP.File = "http://10.77.0.1/loader/snponly.efi"
		})),
		"loader-not-fetched_knocks": at(st, leased, with(func(c *Case) { c.Knocks = Knocks{Known: true, TFTP: 3} })),
		"loader-not-fetched_alone":  at(st, leased, with(func(c *Case) { c.Knocks, c.DHCP.Heard = Knocks{Known: true, TFTP: 3}, 2 })),
		"loader-not-fetched_silent": at(st, leased, with(func(c *Case) { c.Knocks = Knocks{Known: true} })),
		"loader-not-fetched_routerless": at(st, leased, with(func(c *Case) {
			c.Knocks, c.DHCP.Relay, c.DHCP.Routerless = Knocks{Known: true}, router, netip.MustParsePrefix("10.78.0.0/24")
		})),
		"loader-not-fetched_port": at(st, leased, with(func(c *Case) { c.Ports.TFTP, c.DHCP.Relay = 6969, router })),
		"wrong-boot-file": at(st, elsewhere, with(func(c *Case) {
			c.Loader.Missing = "pxelinux.0"
		})),
		"wrong-boot-file_named": at(st, elsewhere, with(func(c *Case) {
			c.Loader.Missing, c.DHCP.Others[0].File, c.DHCP.Others[0].Next = "pxelinux.0", "pxelinux.0", c.Server
		})),
		"wrong-boot-file_own": at(st, leased, with(func(c *Case) { c.Loader.Told, c.Loader.Missing = "my.efi", "my.efi" })),
	}
}

func transferCases() map[string]Case {
	const st = recorder.StageFirmware
	failed := func(t Transfer) func(*Case) {
		t.Name, t.Proto = "snponly.efi", cmp.Or(t.Proto, "TFTP")
		if t.Why == "" {
			t.Why = "client stopped answering"
		}
		return func(c *Case) {
			leased(c)
			c.Loader.Failed = t
			if t.Stuck() {
				c.Loader.Stuck = t.Packet
			}
		}
	}
	return map[string]Case{
		"tftp-timeout_mtu": at(st, failed(Transfer{Times: 2, Answered: true, Packet: 1500, Resent: 6})),
		"http-timeout":     at(st, failed(Transfer{Proto: "HTTP", Times: 1, Answered: true, Bytes: 50152, Why: "client closed the connection"})),
		"http-timeout_mtu": at(st, failed(Transfer{Proto: "HTTP", Times: 1, Answered: true, Packet: 1500, Resent: 4, Why: "client closed the connection"}),
			with(func(c *Case) { c.Loader.Stuck = 1500 })),
		"tftp-timeout_firewall": at(st, failed(Transfer{Times: 1, Packet: 1500, Resent: 6})),
		"tftp-timeout_relay":    at(st, failed(Transfer{Times: 1, Packet: 1500, Resent: 5}), relayed, with(func(c *Case) { c.Way = Way{Known: true, Missing: true, From: gate} })),
		"tftp-timeout_middle":   at(st, failed(Transfer{Times: 1, Answered: true, Packet: 1500, Resent: 6, Bytes: 123456})),
		"tftp-restarted": at(st, failed(Transfer{Times: 3, Answered: true, Packet: 1500, Bytes: 2936, Resent: 2, Restarted: true,
			Why: "client began anew"})),
		"tftp-restarted_watchdog":   at(st, failed(Transfer{Times: 2, Answered: true, Packet: 1500, Bytes: 123456, Resent: 5})),
		"tftp-restarted_same-place": at(st, failed(Transfer{Times: 3, Answered: true, Packet: 1500, Bytes: 27208, Resent: 5, Alike: true})),
		"tftp-timeout_filter":       at(st, failed(Transfer{Times: 1, Answered: true, Packet: 1500, Bytes: 27208, Resent: 5, Repeated: 5})),
		"tftp-timeout_lossy":        at(st, failed(Transfer{Times: 1, Answered: true, Packet: 1500, Bytes: 27208, Resent: 2, Repeated: 1})),
		"tftp-restarted_filter":     at(st, failed(Transfer{Times: 3, Answered: true, Packet: 1500, Bytes: 27208, Resent: 5, Repeated: 4, Alike: true})),
	}
}

func loaderCases() map[string]Case {
	const st = recorder.StageLoader
	legacy := func(c *Case) {
		fetched(c)
		c.Firmware = bios
		c.Loader.Told, c.Loader.Name, c.Loader.For = "undionly.kpxe", "undionly.kpxe", "BIOS"
	}
	shim := func(c *Case) {
		fetched(c)
		c.Loader.Signed, c.Loader.Told, c.Loader.Name = true, "x86_64-sb/snponly-shim.efi", "x86_64-sb/snponly-shim.efi"
	}
	return map[string]Case{
		"loader-silent": at(st, fetched, with(func(c *Case) { c.Usual = 3 * time.Second })),
		"loader-silent_back": at(st, fetched, with(func(c *Case) {
			c.Loader.Proto, c.Loader.Times, c.Loader.Returns, c.Loader.Back = "TFTP and HTTP", 2, 1, 40*time.Millisecond
		})),
		"loader-silent_bios":  at(st, legacy),
		"loader-silent_shim":  at(st, shim, with(func(c *Case) { c.Loader.Returns, c.Loader.Back = 1, 40*time.Millisecond })),
		"loader-silent_shim2": at(st, shim, with(func(c *Case) { c.Loader.Name = "x86_64-sb/snponly.efi" })),
		"loader-silent_second": at(st, shim, with(func(c *Case) {
			c.Loader.Second = "snponly.efi"
		})),
		"loader-silent_autoexec": at(st, fetched, with(func(c *Case) { c.Loader.Name = "autoexec.ipxe" })),
		"wrong-architecture": at(st, fetched, with(func(c *Case) {
			c.Loader.For, c.Loader.Name, c.Loader.Told, c.Loader.Pinned = "UEFI arm64", "arm64/snponly.efi", "arm64/snponly.efi", true
		})),
		"wrong-architecture_other": at(st, elsewhere, fetched, with(func(c *Case) { c.Loader.For = "BIOS" })),
		"loader-loop":              at(st, fetched, with(func(c *Case) { c.Loader.Times, c.Loader.Returns, c.Loader.Back = 3, 2, 14*time.Second })),
		"loader-silent_mtu":        at(st, fetched, with(func(c *Case) { c.Loader.Proto, c.Loader.Stuck = "HTTP", 1500 })),
		"loader-loop_chain": at(recorder.StageIPXE, fetched, with(func(c *Case) {
			c.Loader.Chained = Chained{"undionly.kpxe", 2, "undionly.kpxe is iPXE without iSCSI", "put a build of iPXE that has it into the first folder of loaders: in the config"}
		})),
		"loader-loop_refused": at(st, fetched, with(func(c *Case) { c.Loader.Times, c.Loader.Returns, c.Loader.Back = 5, 4, 40*time.Millisecond })),
		"tftp-timeout_second": at(st, shim, with(func(c *Case) {
			c.Loader.Failed = Transfer{Name: "x86_64-sb/snponly.efi", Proto: "TFTP", Times: 1, Answered: true, Packet: 544, Bytes: 10240, Why: "client stopped answering"}
		})),
	}
}

func ipxeCases() map[string]Case {
	const st = recorder.StageIPXE
	asks := func(c *Case) {
		fetched(c)
		c.IPXE = DHCP{Asked: 4, Answered: 4, Offered: itself, File: "http://10.77.0.1/ipxe/52-54-00-00-00-01"}
		c.Script.URL = c.IPXE.File
	}
	has := func(c *Case) { asks(c); c.IPXE.Has = itself }
	return map[string]Case{
		"ipxe-no-address":      at(st, asks),
		"ipxe-no-address_once": at(st, asks, with(func(c *Case) { c.IPXE.Asked, c.IPXE.Late = 1, ownLateness })),
		"ipxe-no-address_late": at(st, asks, with(func(c *Case) { c.IPXE.Asked, c.IPXE.Late = 1, 28*time.Second })),
		"ipxe-no-address_proxy": at(st, asks, proxy, with(func(c *Case) {
			c.IPXE.Offered = netip.Addr{}
		})),
		"pool-exhausted_ipxe":         at(st, asks, with(func(c *Case) { c.IPXE.Full, c.IPXE.Answered = true, 0 })),
		"script-not-fetched":          at(st, has),
		"script-not-fetched_knocks":   at(st, has, with(func(c *Case) { c.Knocks = Knocks{Known: true, HTTP: 3} })),
		"script-not-fetched_answered": at(st, has, with(func(c *Case) { c.Knocks = Knocks{Known: true, HTTP: 6, Answered: 9} })),
		"script-not-fetched_http": at(st, has, with(func(c *Case) {
			c.Script.HTTPed, c.Script.URL, c.IPXE.From, c.IPXE.Relay = true, "http://10.99.0.1/ipxe/52-54-00-00-00-01", rival, router
		})),
		"script-refused": at(st, has, with(func(c *Case) {
			c.Script.Refusals, c.Script.Refused = 3, `script of "pc1" asked for from 10.77.0.101, whose MAC is unknown: address is not that machine's`
		})),
		"script-refused_remedy": at(st, has, with(func(c *Case) {
			c.Script.Final, c.Script.Refusals, c.Script.Refused = true, 1, "update mode of pc1: its volume pc1-u is gone: end it with `bootes image update --cancel pc1`"
		})),
	}
}

func diskCases() map[string]Case {
	refused := func(n int, why string) func(*Case) {
		return func(c *Case) { scripted(c); c.Login.Refusals, c.Login.Refused = n, why }
	}
	refusals := func(n int, why string) func(*Case) {
		return func(c *Case) { c.Login.Refusals, c.Login.Refused = n, why }
	}
	layout := func(fw Firmware, l Layout) func(*Case) {
		return func(c *Case) {
			scripted(c)
			l.Seen = true
			c.Firmware, c.Disk.Layout, c.Disk.Reads, c.Disk.Read = fw, l, 3, 1536
		}
	}
	const script, login, read = recorder.StageScript, recorder.StageLogin, recorder.StageRead
	return map[string]Case{
		"no-login":        at(script, scripted),
		"no-login_knocks": at(script, scripted, with(func(c *Case) { c.Knocks = Knocks{Known: true, ISCSI: 7} })),
		"no-login_silent": at(script, scripted, with(func(c *Case) { c.Knocks = Knocks{Known: true, HTTP: 7} })),
		"no-login_portal": at(script, scripted, with(func(c *Case) {
			c.Script.Portaled, c.Script.Ours, c.Script.Portal = true, false, netip.MustParseAddrPort("10.99.0.1:3260")
		})),
		"no-login_connected":     at(script, scripted, with(func(c *Case) { c.Script.Connected = 2 })),
		"login-refused_rule":     at(script, refused(4, "10.77.0.101 is not in what the rule \"from\" of pc1 names, 10.1.0.0/16: `bootes machine set pc1 --from 10.1.0.0/16,10.77.0.101` lets it in")),
		"login-refused_secret":   at(script, refused(1, `wrong CHAP secret for "pc1-7"`)),
		"login-refused_newer":    at(script, refused(2, "boot pc1-7 is over, a newer one has begun")),
		"login-refused_account":  at(script, refused(1, `no account "pc1-7"`)),
		"login-refused_mutual":   at(script, refused(1, "initiator wants the target to prove itself by mutual CHAP, which is not set up")),
		"login-refused_impostor": at(script, refused(1, "initiator left when the target had proved itself by mutual CHAP: it has another secret for that")),
		"no-login_broken":        at(script, scripted, with(func(c *Case) { c.Login.Broken, c.Script.Connected = "login took too long", 1 })),
		"no-login_lossy": at(script, scripted, with(func(c *Case) {
			c.Login.Broken, c.Script.Connected, c.Loader.Took, c.Loader.Resent = "login took too long", 1, 12*time.Second, 31
		})),
		"login-refused_nochap":   at(script, refused(1, "initiator did not offer CHAP")),
		"login-refused_nodisk":   at(script, refused(1, "boot pc1-7 has no disk: it never asked for its script, or its volume was removed, reset or rolled back meanwhile")),
		"login-refused_protocol": at(script, refused(1, "CHAP out of order")),
		"login-refused_open":     at(script, scripted, with(func(c *Case) { c.Login.Open = `layer "ab" is missing` })),
		"not-bootable_blank":     at(read, layout(bios, Layout{Blank: true})),
		"not-bootable_nosig":     at(read, layout(bios, Layout{})),
		"not-bootable_nocode":    at(login, layout(bios, Layout{Signature: true, GPT: true, ESP: true})),
		"not-bootable_noesp":     at(read, layout(uefi, Layout{Signature: true, Code: true})),
		"not-bootable_noefi":     at(read, layout(uefi, Layout{Signature: true, GPT: true, ESP: true, EFI: []string{"BOOTIA32.EFI"}})),
		"not-bootable_emptyefi":  at(read, layout(uefi, Layout{Signature: true, GPT: true, ESP: true, EFI: []string{}}), with(func(c *Case) { c.Past.Ephemeral = true })),
		"not-bootable_left":      at(read, layout(bios, Layout{}), with(func(c *Case) { c.System.Left = true })),
		"login-refused_system":   at(read, loaded, refusals(2, "iqn.x is not the initiator name of pc1: `bootes machine set pc1 --initiator iqn.x` lets it in")),
		"no-read":                at(login, scripted, with(func(c *Case) { c.Disk.Layout = good })),
		"no-read_lossy":          at(login, scripted, with(func(c *Case) { c.Disk.Layout, c.Loader.Took, c.Loader.Resent = good, 12*time.Second, 31 })),
		"disk-full_limit": at(recorder.StageRunning, up, with(func(c *Case) {
			c.Disk.Full, c.Disk.AtLimit, c.Disk.Limit, c.Disk.Written = "volume \"pc1-abcd\" is at its limit of 1048576 bytes: no space for new blocks", true, 1<<20, 1<<20
		})),
		"disk-full_clone": at(recorder.StageIPXE, with(func(c *Case) {
			c.Script = Script{Refusals: 1, Final: true, Refused: "no space"}
			c.Disk.Full, c.Disk.Folder = `clone image "debian:12" for machine "pc1": no space for new blocks`, "/var/lib/bootes"
		})),
		"disk-full_host": at(recorder.StageKernel, up, with(func(c *Case) {
			c.Disk.Full, c.Disk.Folder = "no space for new blocks: no space left on device", "/var/lib/bootes"
		})),
		"image-corrupt": at(read, loaded, with(func(c *Case) { c.Disk.Corrupt = "data file is too short: stored data is corrupt" })),
		"image-corrupt_checked": at(read, loaded, with(func(c *Case) {
			c.Disk.Damaged = "2 of 10240 MiB changed since it was made, the first at 129 MiB, in the files of layer 3f2a"
		})),
		"image-corrupt_back": at(recorder.StageKernel, up, with(func(c *Case) {
			c.Disk.Damaged = "1 of 10240 MiB changed since it was made, the first at 129 MiB, in the files of layer 3f2a"
			c.Past.LastRan = "debian:12"
		})),
		"image-corrupt_ephemeral": at(read, loaded, with(func(c *Case) { c.Disk.Corrupt, c.Past.Ephemeral = "map page: wrong sum: stored data is corrupt", true })),
	}
}

func systemCases() map[string]Case {
	const read, kernel = recorder.StageRead, recorder.StageKernel
	looped := func(lastRan string) func(*Case) {
		return func(c *Case) {
			c.Past.Failed, c.Past.LastRan = 3, lastRan
			if lastRan != "" {
				c.Past.LastAt = time.Date(2026, 1, 2, 3, 4, 0, 0, time.Local)
			}
		}
	}
	return map[string]Case{
		"no-system-login":       at(read, loaded),
		"no-system-login_alive": at(read, loaded, with(func(c *Case) { c.Conflict.Alive = true })),
		"no-system-login_sound": at(read, loaded, with(func(c *Case) { c.Disk.Sound = true })),
		"no-system-login_32bit": at(read, loaded, with(func(c *Case) { c.Firmware, c.Firmware.NoLongMode, c.Disk.Ready = bios, true, true })),
		"no-system-login_cut":   at(read, loaded, with(func(c *Case) { c.Disk.Unacknowledged = 65536 })),
		"no-system-login_lossy": at(read, loaded, with(func(c *Case) {
			c.Loader.Took, c.Loader.Resent, c.System.Untaken, c.Disk.Read = 141*time.Second, 185, true, 793<<10
		})),
		"no-system-login_lossy-tcp": at(read, loaded, with(func(c *Case) {
			c.Disk.Read, c.Disk.Unacknowledged, c.Pace = 793<<10, 60<<10, Pace{Sent: 900, Resent: 210}
		})),
		"no-system-login_untaken": at(read, loaded, with(func(c *Case) { c.System.Untaken = true })),
		"no-system-login_ready":   at(read, loaded, with(func(c *Case) { c.Disk.Ready, c.Past.Elsewhere, c.System.Left = true, 4, true })),
		"no-system-login_asked":   at(read, loaded, with(func(c *Case) { c.System.Asked, c.Past.LastRan = true, "debian:13" })),
		"no-system-login_left":    at(read, loaded, with(func(c *Case) { c.Disk.Read, c.System.Left, c.System.GaveUp = 10<<10, true, true })),
		"no-system-login_loader":  at(read, loaded, with(func(c *Case) { c.Disk.Read = 1 << 20 })),
		"no-system-login_signed":  at(read, loaded, with(func(c *Case) { c.Loader.Signed, c.Disk.Read = true, 3<<20 })),
		"no-system-login_mtu":     at(read, loaded, with(func(c *Case) { c.Disk.Read, c.Disk.Reads = 512, 1 })),
		"system-gone":             at(kernel, up),
		"system-gone_ping":        at(kernel, up, deaf(Heard{})),
		"system-gone_off":         at(kernel, up, deaf(Heard{Known: true})),
		"system-gone_network": at(recorder.StageRunning, up, deaf(Heard{Known: true, Anything: true, From: []netip.Addr{netip.MustParseAddr("192.168.1.50")}}),
			looped("debian:12")),
		"system-gone_closed":        at(recorder.StageRunning, up, closed(Heard{Known: true})),
		"system-gone_moved":         at(recorder.StageRunning, up, closed(Heard{Known: true, Anything: true, From: []netip.Addr{netip.MustParseAddr("192.168.1.50")}})),
		"system-gone_down":          at(recorder.StageRunning, up, deaf(Heard{Known: true, Anything: true})),
		"system-gone_firewall":      at(recorder.StageRunning, up, deaf(Heard{Known: true, Anything: true, From: []netip.Addr{itself}})),
		"system-gone_silent":        at(kernel, up, with(func(c *Case) { c.System = System{Open: true} })),
		"system-silent":             at(recorder.StageRunning, up, mute(Heard{Known: true, Anything: true, From: []netip.Addr{itself}})),
		"system-silent_arp":         at(recorder.StageRunning, up, mute(Heard{}), with(func(c *Case) { c.Conflict.Alive = true })),
		"system-silent_nothing":     at(recorder.StageRunning, up, mute(Heard{Known: true})),
		"system-silent_hangs":       at(kernel, up, mute(Heard{Known: true, Anything: true}), with(func(c *Case) { c.Disk.Unacknowledged = 0 })),
		"system-silent_readdressed": at(kernel, up, mute(Heard{Known: true, Anything: true, From: []netip.Addr{netip.MustParseAddr("192.168.1.50")}})),
		"crash-loop":                at(kernel, up, looped("debian:12")),
		"crash-loop_image":          at(kernel, up, looped("debian:12"), with(func(c *Case) { c.Past.Tag, c.Disk.Ref = false, "debian:13" })),
		"crash-loop_written":        at(kernel, up, looped("debian:13"), with(func(c *Case) { c.Past.Snapshots = []string{"friday"} })),
		"crash-loop_short":          at(recorder.StageRunning, up, looped("debian:12"), with(func(c *Case) { c.Past.Short = 2 })),
		"crash-loop_ran": at(recorder.StageRunning, looped(""), with(func(c *Case) {
			c.Begins, c.Disk, c.Past.Short, c.Past.Ran = true, Disk{Image: "debian:13", Ref: "debian:13", Contents: Contents{CommandLine: "ro quiet"}}, 3, 57*time.Second
		})),
		"crash-loop_reboots": at(recorder.StageRunning, looped(""), with(func(c *Case) {
			c.Begins, c.Disk, c.Past.Short, c.Past.Ran, c.Past.LoggedOut = true, Disk{Image: "debian:13", Ref: "debian:13"}, 3, 57*time.Second, true
		})),
		"crash-loop_begins": at(read, looped("debian:12"), with(func(c *Case) {
			c.Begins, c.Disk = true, Disk{Image: "debian:13", Ref: "debian:13"}
		})),
		"crash-loop_never":     at(kernel, up, looped("")),
		"crash-loop_elsewhere": at(read, loaded, looped(""), with(func(c *Case) { c.Past.Elsewhere = 5 })),
		"interrupted":          at(read, loaded, with(func(c *Case) { c.Restarted, c.Away = true, 150*time.Second })),
		"interrupted_system":   at(kernel, up, with(func(c *Case) { c.Restarted = true })),
	}
}
