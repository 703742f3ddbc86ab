package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
)

// data is a DATA packet.
func data(block byte, text string) []byte { return append([]byte{0, tftpDATA, 0, block}, text...) }

func TestTFTPTransfer(t *testing.T) {
	oack := append([]byte{0, tftpOACK}, "blksize\x004\x00windowsize\x002\x00"...)
	for name, tt := range map[string]struct {
		in   [][]byte
		out  []string // replies; "" for none
		want string
	}{
		"windows":      {[][]byte{oack, data(1, "aaaa"), data(2, "bbbb"), data(3, "c")}, []string{"ack 0", "", "ack 2", "ack 3"}, "aaaabbbbc"},
		"a lost block": {[][]byte{oack, data(1, "aaaa"), data(3, "cccc"), data(2, "bbbb"), data(3, "c")}, []string{"ack 0", "", "ack 1", "", "ack 3"}, "aaaabbbbc"},
		"repeated":     {[][]byte{oack, data(1, "aaaa"), data(2, "bbbb"), data(2, "bbbb"), data(3, "")}, []string{"ack 0", "", "ack 2", "ack 2", "ack 3"}, "aaaabbbb"},
		"far ahead":    {[][]byte{oack, data(5, "aaaa"), data(1, "a")}, []string{"ack 0", "", "ack 1"}, "a"},
		"junk":         {[][]byte{oack, {0, 9, 0, 0}, data(1, "a")}, []string{"ack 0", "", "ack 1"}, "a"},
	} {
		x := &tftpTransfer{name: "f", block: plainBlock, window: 1}
		var out []string
		done := false
		for _, p := range tt.in {
			reply, end, err := x.take(p)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			text := ""
			if reply != nil {
				text = fmt.Sprintf("ack %d", reply[3])
			}
			out, done = append(out, text), end
		}
		if !done || string(x.data) != tt.want || fmt.Sprint(out) != fmt.Sprint(tt.out) {
			t.Errorf("%s: %q, %q, done %v", name, x.data, out, done)
		}
	}
}

func TestTFTPEnds(t *testing.T) {
	x := &tftpTransfer{name: "f"}
	_, done, err := x.take(append([]byte{0, tftpERROR, 0, 1}, "file not found\x00"...))
	var refused *tftpError
	if !done || !errors.As(err, &refused) || err.Error() != "the TFTP server refuses: file not found (code 1)" {
		t.Errorf("%v, %v", done, err)
	}
	size := &tftpTransfer{name: "f", sizeOnly: true}
	for _, p := range [][]byte{append([]byte{0, tftpOACK}, "tsize\x005\x00"...), data(1, "x")} {
		if reply, done, err := size.take(p); !done || err != nil || !bytes.Equal(reply, abort()) {
			t.Errorf("a look at the size: %x, %v, %v", reply, done, err)
		}
	}
	big := &tftpTransfer{name: "f", block: 1, window: 1, data: make([]byte, maxFile)}
	if _, _, err := big.take(data(1, "x")); err == nil || err.Error() != "f has more than 64 MiB: that is no boot loader" {
		t.Errorf("%v", err)
	}
	if err := x.silent(); err != errTFTPSilent {
		t.Errorf("%v", err)
	}
	x.peer, x.data = netip.MustParseAddrPort("10.0.0.1:3000"), []byte("abc")
	if err := x.silent(); err.Error() != "the TFTP server fell silent after 3 bytes: an MTU on the way is smaller than its packets, or they are lost" {
		t.Errorf("%v", err)
	}
}

// FuzzTFTP: a server sends what it likes.
func FuzzTFTP(f *testing.F) {
	f.Add(data(1, "x"), []byte{0, tftpERROR, 0, 1})
	f.Add(append([]byte{0, tftpOACK}, "blksize\x001\x00x"...), data(1, ""))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		x := &tftpTransfer{name: "f", block: plainBlock, window: 1}
		for _, p := range [][]byte{one, two} {
			if len(p) < 4 {
				continue // as read has it
			}
			if _, done, err := x.take(p); done || err != nil {
				return
			}
		}
	})
}

func TestWhoMayNot(t *testing.T) {
	err := opening("eth0", fmt.Errorf("socket: %w", os.ErrPermission))
	if !errors.Is(err, ErrPrivilege) || err.Error() != `open interface "eth0": a simulated machine sends and hears packets as firmware does, which takes the right CAP_NET_RAW: run it as root` {
		t.Errorf("%v", err)
	}
	if err := opening("eth0", os.ErrClosed); errors.Is(err, ErrPrivilege) || err.Error() != `open interface "eth0": file already closed` {
		t.Errorf("%v", err)
	}
}
