package store

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// aheadBytes is how far beyond its end the database has its blocks already:
// half the step in which it grows.
const aheadBytes = 8 << 20

// allocateAhead gives etcd's database the blocks that it will write next. The
// database grows as a hole, and a page of it that cannot be written when the
// disk is full ends the process, faster than the reserve could be given up.
// (etcd does the same for its log by itself.) Best effort: file systems
// without fallocate rely on the reserve.
func (s *Store) allocateAhead() {
	if avail, err := s.o.free(s.o.Dir); err != nil || avail < 2*s.o.LowBytes+aheadBytes {
		return
	}
	f, err := os.OpenFile(filepath.Join(s.o.Dir, etcdFolder, "member", "snap", "db"), os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Blocks*512 >= st.Size+aheadBytes {
		return
	}
	err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, st.Size+2*aheadBytes)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		s.log.Debug("cannot allocate the store's next blocks", "dir", s.o.Dir, "err", err)
	}
}
