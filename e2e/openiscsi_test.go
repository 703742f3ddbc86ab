//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"bootes.dev/internal/api"
	"bootes.dev/internal/lab"
)

// TestOpenISCSI has Linux's own initiator, device mapper, SCSI tools and fio
// try a disk hard, from a machine that boots from this server too.
func TestOpenISCSI(t *testing.T) {
	t.Parallel()
	f := toolsFixture(t)
	f.plugSecond()
	a := f.dataDisk("data")
	pc := f.guest("pc1", "52:54:00:00:00:01", api.Persistent, lab.BIOS)
	boot(t, pc)
	first := pc.node(a, f.portal())
	second := pc.node(a, secondPortal.Addr().String()+":3260")

	t.Run("login", func(t *testing.T) { testLogin(t, f, first) })
	t.Run("SCSI commands", func(t *testing.T) { testCommands(t, f, first) })
	t.Run("persistent reservations", func(t *testing.T) { testReservations(t, f, first, second) })
	t.Run("a path is cut", func(t *testing.T) { testMultipath(t, f, first, second) })
	t.Run("the server is killed", func(t *testing.T) { testKilledUnderFio(t, f, first) })
	t.Run("it grows, and gives space back", func(t *testing.T) { testSpace(t, f, first) })
	t.Run("disks come and go", func(t *testing.T) { testAttached(t, f, pc) })
	t.Run("a disk of two targets", func(t *testing.T) { testShared(t, f, pc, first) })
	t.Run("static credentials", func(t *testing.T) { testStatic(t, f, pc) })
	t.Run("no harm to the root disk", func(t *testing.T) {
		during(t, f, pc)
		pc.want(`dmesg | grep -iE 'ext4-fs error|i/o error, dev sda|filesystem read-only' || echo none`, "none")
		pc.want("systemctl is-active iscsid", "active")
	})
}

// testLogin tries what can be agreed upon.
func testLogin(t *testing.T, f *fixture, n node) {
	during(t, f, n.g)
	n.discover(t)
	n.set("node.session.auth.password", "wrongwrongwrong!")
	if out := n.refused(); !strings.Contains(out, "login failed due to authorization failure") {
		t.Errorf("with a wrong secret iscsiadm says %q", out)
	}
	n.set("node.session.auth.password", n.secret)
	// Else the system looks for file systems at each login.
	n.g.run("dd if=/dev/zero of=" + n.open() + " bs=1M count=40 conv=fsync 2>&1")
	n.close()
	for _, alg := range []string{"MD5", "SHA1", "SHA256"} {
		n.set("node.session.auth.chap_algs", alg)
		n.open()
		n.close()
	}
	testMutual(t, f, n)
	for _, tt := range []struct{ header, data string }{{"None", "CRC32C"}, {"CRC32C", "None"}, {"CRC32C", "CRC32C"}} {
		testDigests(t, n, tt.header, tt.data)
	}
}

// discover has open-iscsi ask for the targets that there are.
func (n node) discover(t *testing.T) {
	t.Helper()
	discover := "iscsiadm -m discoverydb -t sendtargets -p " + n.portal
	n.g.run(discover + " -o new")
	for _, set := range []string{"authmethod -v CHAP", "username -v " + n.user, "password -v " + n.secret} {
		n.g.run(discover + " -o update -n discovery.sendtargets.auth." + set)
	}
	out, err := n.g.try(discover + " -I " + n.iface() + " -o nonpersistent --discover")
	if err != nil || out != n.portal+",1 "+n.target {
		t.Errorf("discovery shows %q (%v), want %s alone", out, err, n.target)
	}
}

// testMutual has the server prove itself, and fail to.
func testMutual(t *testing.T, f *fixture, n node) {
	t.Helper()
	n.set("node.session.auth.username_in", n.reverseUser, "node.session.auth.password_in", "wrongwrongwrong!")
	n.refused()
	if len(f.events("data", "initiator left when the target had proved itself")) == 0 {
		t.Errorf("nobody says why the login ended:\n%s", f.cli("boot", "log", "data"))
	}
	n.set("node.session.auth.password_in", n.reverseSecret)
	n.open()
	n.close()
	if len(f.events("data", "by mutual CHAP")) == 0 {
		t.Errorf("the server was not asked to prove itself:\n%s", f.cli("boot", "log", "data"))
	}
}

// testDigests writes and reads in a session with digests.
func testDigests(t *testing.T, n node, header, data string) {
	t.Helper()
	n.set("node.conn[0].iscsi.HeaderDigest", header, "node.conn[0].iscsi.DataDigest", data)
	disk := n.open()
	defer n.close()
	session := n.g.run("iscsiadm -m session -P 2 | sed -n '/" + n.target + " /,$p' | grep Digest")
	if got, want := strings.Join(strings.Fields(session), " "), "HeaderDigest: "+header+" DataDigest: "+data; got != want {
		t.Errorf("session has %q, want %q", got, want)
	}
	n.g.run("head -c 4M /dev/urandom > /run/r; dd if=/run/r of=" + disk + " bs=1M seek=1024 oflag=direct 2>&1 && " +
		"dd if=" + disk + " bs=1M skip=1024 count=4 iflag=direct 2>/dev/null | cmp - /run/r")
}

// sgCommands are programs of sg3-utils, what they must say, and their status.
// DISK is the disk and /run/r has 4 MiB of noise, which is on the disk from LBA
// 2097152 on at first.
var sgCommands = []struct {
	command string
	want    string // regular expression
	status  int
}{
	{"sg_inq DISK", `PDT=0.*\[SPC-4\](?s:.*)TPGS=1  3PC=1(?s:.*)CmdQue=1(?s:.*)BOOTES  (?s:.*)DISK`, 0},
	{"sg_vpd DISK", `\[sv\](?s:.*)\[sn\](?s:.*)\[di\](?s:.*)\[bl\](?s:.*)\[bdc\](?s:.*)\[lbpv\]`, 0},
	{"sg_inq --page=0x00 DISK", `0x80(?s:.*)0x83(?s:.*)0xb0(?s:.*)0xb1(?s:.*)0xb2`, 0},
	{"sg_inq --page=0x80 DISK", `Unit serial number: data-`, 0},
	{"sg_inq --page=0x83 DISK", `NAA 3, Locally assigned(?s:.*)EUI-64 based 16 byte(?s:.*)Relative target port: 0x1(?s:.*)Target port group: 0x1(?s:.*):data,t,0x0001`, 0},
	{"sg_inq --page=0x86 DISK", `SIMPSUP=1`, 0},
	{"sg_inq --page=0xb0 DISK", `Maximum compare and write length: 128 (?s:.*)Optimal unmap granularity: 8 blocks(?s:.*)alignment valid: true(?s:.*)alignment: 0`, 0},
	{"sg_inq --page=0xb1 DISK", `Non-rotating medium`, 0},
	{"sg_vpd --page=lbpv DISK", `\(LBPU\): 1(?s:.*)\(LBPWS\): 1(?s:.*)\(LBPWS10\): 1(?s:.*)\(LBPRZ\): 1(?s:.*)thin provisioned`, 0},
	{"sg_raw --request=64 DISK 12 01 c0 00 40 00", `Illegal Request(?s:.*)Invalid field in cdb`, 5},
	{"sg_readcap DISK", `Number of logical blocks=8388608\n(?s:.*)length=512 bytes`, 0},
	{"sg_readcap --long DISK", `lbpme=1, lbprz=1(?s:.*)physical block length=4096 bytes\](?s:.*)aligned LBA=0`, 0},
	{"sg_luns DISK", `0000000000000000\n +0001000000000000`, 0},
	{"sg_luns --test=0001000000000000 DISK", `.`, 0},
	{"sg_opcodes DISK", `Read\(6\)(?s:.*)Unmap(?s:.*)Persistent reserve in, read full status(?s:.*)Extended copy(?s:.*)Compare and write(?s:.*)Write same\(16\)(?s:.*)Report target port groups(?s:.*)Write and verify\(12\)`, 0},
	{"sg_opcodes --opcode=0x89 --rctd DISK", `Command is supported`, 0},
	{"sg_opcodes --opcode=0x48 DISK", `Sanitize(?s:.*)NOT supported`, 0},
	{"sg_opcodes --tmf DISK", `Abort task(?s:.*)Logical unit reset`, 0},
	{"sg_modes --all DISK", `DpoFua=1(?s:.*)Read-Write error recovery(?s:.*)Caching, page_control: current\n 00 +08 12 04 (?s:.*)Control`, 0},
	{"sg_modes --page=0x08 --control=1 --six DISK", `Caching, page_control: changeable`, 0},
	{"sg_wr_mode --page=8 --contents=08,12,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00 DISK; sg_modes --page=8 DISK", `Caching, page_control: current\n 00 +08 12 00 `, 0},
	{"sg_wr_mode --page=8 --contents=08,12,04,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00 DISK; sg_modes --page=8 DISK", `Caching, page_control: current\n 00 +08 12 04 `, 0},
	{"sg_logs --all DISK", `Logical block provisioning page  \[0xc\]\n(?s:.*)resource count: [1-9]`, 0},
	{"sg_requests DISK", `No Sense`, 0},
	{"sg_turs --number=100 DISK", `100 Test Unit Ready commands with 0 errors`, 0},
	{"sg_rtpg --decode DISK", `group id : 0x1 (?s:.*)active/optimized(?s:.*)Relative target port ids:\n +0x01`, 0},
	{"sg_prevent --prevent=1 DISK && sg_prevent --allow DISK", ``, 0},
	{"sg_start --stop DISK && sg_start --start DISK && sg_turs DISK", ``, 0},
	{"sg_sync DISK && sg_sync --16 DISK", ``, 0},
	{"sg_seek --pre-fetch --lba=2097152 --num-blocks=8 DISK && sg_seek --10 --pre-fetch --lba=2097152 --num-blocks=8 DISK", ``, 0},
	{"sg_reassign --grown DISK", `grown defect list: 0`, 0},
	{"sg_senddiag --test DISK", ``, 0},

	{"sg_dd if=DISK of=/run/back bs=512 skip=2097152 count=8192 iflag=sgio,fua cdbsz=16; cmp /run/back /run/r", `8192\+0 records out`, 0},
	{"sg_verify --lba=2097152 --count=8 --in=/run/r --ndo=4096 DISK && sg_verify --16 --lba=2097152 --count=8192 DISK", ``, 0},
	{"sg_verify --lba=2097160 --count=8 --in=/run/r --ndo=4096 DISK", `MISCOMPARE`, 14},
	{"sg_write_verify --lba=2097160 --num=8 --in=/run/r --ilen=4096 DISK && sg_verify --lba=2097160 --count=8 --in=/run/r --ndo=4096 DISK", ``, 0},
	{"sg_write_verify --16 --lba=2097168 --num=8 --in=/run/r --ilen=4096 DISK && sg_verify --16 --lba=2097168 --count=8 --in=/run/r --ndo=4096 DISK", ``, 0},
	{"sg_write_same --10 --lba=2097152 --num=64 --in=/run/r --xferlen=512 DISK && sg_verify --lba=2097215 --count=1 --in=/run/r --ndo=512 DISK", ``, 0},
	{"sg_write_same --16 --ndob --lba=2097160 --num=8 DISK && sg_verify --lba=2097160 --count=8 --in=/dev/zero --ndo=4096 DISK", ``, 0},
	{"sg_get_lba_status --lba=2097160 DISK", `LBA: 0x0+200008  blocks: +\d+  (mapped|deallocated)`, 0},
	{"sg_write_same --16 --unmap --lba=2097176 --num=16 DISK && sg_get_lba_status --lba=2097176 DISK", `LBA: 0x0+200018  blocks: +16  deallocated`, 0},
	{"sg_unmap --force --lba=2101248 --num=1024 DISK && sg_get_lba_status --lba=2101248 DISK", `LBA: 0x0+201000  blocks: +1024  deallocated`, 0},
	{"sg_verify --lba=2101248 --count=64 --in=/dev/zero --ndo=32768 DISK", ``, 0},
	// From what it is to nothing; then it is nothing already.
	{"head -c 512 /run/r > /run/caw; head -c 512 /dev/zero >> /run/caw; sg_compare_and_write --lba=2097152 --num=1 --in=/run/caw --xferlen=1024 DISK", ``, 0},
	{"sg_verify --lba=2097152 --count=1 --in=/dev/zero --ndo=512 DISK", ``, 0},
	{"sg_compare_and_write --lba=2097152 --num=1 --in=/run/caw --xferlen=1024 DISK", `Miscompare at byte offset: 0 `, 14},
	{"sg_write_x --or --lba=2097152 --num=8 --in=/run/r --offset=4096,4096 DISK", ``, 0},
	{"sg_copy_results --params DISK", `Copy from block device to block device`, 0},
	{"dd if=/run/r of=DISK bs=1M seek=1024 oflag=direct 2>/dev/null; sg_xcopy if=DISK of=DISK skip=2097152 seek=4194304 count=8192 && cmp -n 4194304 -i 2147483648:0 DISK /run/r", `8192 blocks`, 0},
	{"before=$(dmesg | grep -c 'reset occurred'); sg_reset --device DISK; sg_turs DISK; sg_turs DISK && test $(dmesg | grep -c 'reset occurred') -gt $before", ``, 0},
	{"before=$(dmesg | grep -c 'reset occurred'); sg_reset --target DISK; sg_turs DISK; sg_turs DISK && test $(dmesg | grep -c 'reset occurred') -gt $before", ``, 0},
}

func testCommands(t *testing.T, f *fixture, n node) {
	during(t, f, n.g)
	disk := n.open()
	defer n.close()
	n.g.run("head -c 4M /dev/urandom > /run/r; dd if=/run/r of=" + disk + " bs=1M seek=1024 oflag=direct 2>&1")
	for _, c := range sgCommands {
		out := n.g.run("(" + strings.ReplaceAll(c.command, "DISK", disk) + ") 2>&1; echo \" =$?\"")
		end := strings.LastIndex(out, " =")
		out, status := out[:end], out[end+len(" ="):]
		if status != strconv.Itoa(c.status) || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("%s: status %s, want %d; it says %q, want %q", c.command, status, c.status, out, c.want)
		}
	}
}

// reservations are the types of persistent reservations: what another initiator
// may read and write, registered and not (SPC-4, 5.13).
var reservations = []struct {
	kind       int
	name       string
	registered string
	stranger   string
}{
	{1, "Write Exclusive", "read", "read"},
	{3, "Exclusive Access", "", ""},
	{5, "Write Exclusive, registrants only", "read write", "read"},
	{6, "Exclusive Access, registrants only", "read write", ""},
	{7, "Write Exclusive, all registrants", "read write", "read"},
	{8, "Exclusive Access, all registrants", "read write", ""},
}

// persist is sg_persist on a disk whose unit attentions have been heard, and
// access says what a disk lets be done.
const persist = `persist() { disk=$1; shift; sg_turs $disk > /dev/null 2>&1; sg_persist --no-inquiry $disk "$@"; }
access() { sg_turs $1 > /dev/null 2>&1
dd if=$1 of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && echo read
dd if=/dev/zero of=$1 bs=4k count=1 oflag=direct 2>/dev/null && echo write; :; }`

// can says what the guest may do with a disk.
func (g *guest) can(disk string) string {
	g.t.Helper()
	return strings.Join(strings.Fields(g.run("access "+disk)), " ")
}

// testReservations has two initiator ports, one's disk a and the other's b.
func testReservations(t *testing.T, f *fixture, one, two node) {
	during(t, f, one.g)
	g, a, b := one.g, one.open(), two.open()
	defer one.close()
	defer two.close()
	g.run(persist)
	g.run("persist " + a + " --out --register --param-sark=0xa1 && persist " + b + " --out --register --param-sark=0xb2")
	for _, r := range reservations {
		g.run(fmt.Sprintf("persist %s --out --reserve --param-rk=0xa1 --prout-type=%d", a, r.kind))
		if out := g.run("persist " + b + " --in --read-reservation"); !strings.Contains(out, "type: "+r.name) {
			t.Errorf("type %d: the other reads %q", r.kind, out)
		}
		if got := g.can(a); got != "read write" {
			t.Errorf("%s: the holder may %q", r.name, got)
		}
		if got := g.can(b); got != r.registered {
			t.Errorf("%s: one that is registered may %q, want %q", r.name, got, r.registered)
		}
		g.run("persist " + b + " --out --register --param-rk=0xb2 --param-sark=0")
		if got := g.can(b); got != r.stranger {
			t.Errorf("%s: a stranger may %q, want %q", r.name, got, r.stranger)
		}
		g.run("persist " + b + " --out --register --param-sark=0xb2")
		g.run(fmt.Sprintf("persist %s --out --release --param-rk=0xa1 --prout-type=%d", a, r.kind))
	}
	testPreemption(t, g, a, b)
}

// preempted is the status when b has thrown a out.
var preempted = regexp.MustCompile(`(?s)Key=0xb2.*<< Reservation holder >>.*init:data,i,0x00023d`)

// testPreemption has b, whose key is 0xb2, preempt a, whose key is 0xa1.
func testPreemption(t *testing.T, g *guest, a, b string) {
	t.Helper()
	g.run("persist " + a + " --out --reserve --param-rk=0xa1 --prout-type=3")
	g.run("persist " + b + " --out --preempt --param-rk=0xb2 --param-sark=0xa1 --prout-type=1")
	if out := g.run("persist " + a + " --in --read-full-status"); !preempted.MatchString(out) || strings.Contains(out, "0xa1") {
		t.Errorf("after a preemption the status is %q", out)
	}
	if got := g.can(a); got != "read" {
		t.Errorf("who was preempted may %q", got)
	}
	if out := g.run("persist " + a + " --in --report-capabilities"); !strings.Contains(out, "Exclusive Access, registrants only: 1") {
		t.Errorf("capabilities: %q", out)
	}
	g.run("persist " + b + " --out --clear --param-rk=0xb2")
	if out := g.run("persist " + a + " --in --read-keys"); !strings.Contains(out, "NO registered reservation keys") {
		t.Errorf("after all was cleared the keys are %q", out)
	}
}
