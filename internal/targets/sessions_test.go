package targets

import (
	"errors"
	"fmt"
	"testing"

	"bootes.dev/internal/block"
	"bootes.dev/internal/boot"
	"bootes.dev/internal/inventory"
	"bootes.dev/internal/iscsi"
)

func TestMoved(t *testing.T) {
	s := &sessions{known: map[string]*ownerBoot{"pc1-1": {Boot: inventory.Boot{ID: "pc1-1"}}}}
	session := func(reads, bytes uint64, isid [6]byte) iscsi.SessionInfo {
		return iscsi.SessionInfo{Owner: "pc1-1", Login: iscsi.Login{ISID: isid}, Usage: iscsi.Usage{Reads: reads, ReadBytes: bytes}}
	}
	ipxe, linux := [6]byte{0x40, 0, 0x27, 0x23}, [6]byte{0, 2, 0x3d}
	for _, tt := range []struct {
		open []iscsi.SessionInfo
		want boot.Moved
	}{
		{nil, boot.Moved{}},
		{[]iscsi.SessionInfo{session(3, 1536, ipxe)}, boot.Moved{Reads: 3, Read: 1536, Firmware: true}},
		{nil, boot.Moved{Reads: 3, Read: 1536}},
		{[]iscsi.SessionInfo{session(1, 512, linux)}, boot.Moved{Reads: 4, Read: 2048, System: true}}, // opened anew
	} {
		if got := s.boots("pc1-1", tt.open); got != tt.want {
			t.Errorf("%+v, want %+v", got, tt.want)
		}
	}
	if got := s.boots("pc2-1", nil); got != (boot.Moved{}) {
		t.Errorf("a boot that has no sessions: %+v", got)
	}
}

func TestDiskErrorsAreSeen(t *testing.T) {
	var seen []error
	o := observed{failed: func(err error) { seen = append(seen, err) }}
	for _, err := range []error{nil, block.ErrOutOfRange, fmt.Errorf("x: %w", block.ErrNoSpace), block.ErrCorrupt} {
		o.see(err)
	}
	if len(seen) != 2 || !errors.Is(seen[0], block.ErrNoSpace) || !errors.Is(seen[1], block.ErrCorrupt) {
		t.Errorf("%v", seen)
	}
}
