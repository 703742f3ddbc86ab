package capture

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// stamp reads the time of a packet of SO_TIMESTAMPNS's control message: a struct
// timespec.
func stamp(oob []byte) (at time.Time, ok bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return at, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) == 16 {
			sec, nsec := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return time.Unix(int64(sec), int64(nsec)), true
		}
	}
	return at, false
}
