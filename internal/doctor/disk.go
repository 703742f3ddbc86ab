package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"bootes.dev/internal/bytesize"
	"bootes.dev/internal/config"
	"bootes.dev/internal/cow"
	"bootes.dev/internal/diskspace"
)

// disk is where the data folder is, or will be.
type disk struct {
	dir     string // of the config
	at      string // the folder that there is: dir, or the nearest one above it
	format  error  // why this program cannot use what is in dir
	space   diskspace.Space
	keep    int64 // bytes that volumes may not take
	nowait  error // of a read that must not wait
	syncs   []time.Duration
	err     error // it could not be looked at
	syncErr error // its syncs could not be timed
}

// folderNeeds is what a golden image and a few clones take.
const folderNeeds = 10 << 30

func checkDisk(cfg *config.Config) []Finding { return judgeDisk(lookAtDisk(cfg)) }

func lookAtDisk(cfg *config.Config) (d disk) {
	d.dir, d.at = cfg.Data, cfg.Data
	for {
		_, err := os.Stat(d.at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			d.err = err
			return d
		}
		d.at = filepath.Dir(d.at)
	}
	if d.at == d.dir {
		d.format = cow.CheckFormat(d.dir)
	}
	if d.space, d.err = diskspace.Of(d.at); d.err != nil {
		return d
	}
	d.keep = cfg.Limits.MinFree.Of(d.space.Capacity)
	d.try()
	return d
}

// Rounds of the try, each a block written anew and synced, as a guest's flush is.
const (
	syncRounds = 32
	syncBytes  = 4096
)

// try writes to a file without a name, which is gone when it is closed.
func (d *disk) try() {
	fd, err := unix.Open(d.at, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		d.syncErr = &os.PathError{Op: "write to", Path: d.at, Err: err}
		return
	}
	f := os.NewFile(uintptr(fd), d.at)
	defer f.Close()
	block := make([]byte, syncBytes)
	for i := range syncRounds {
		start := time.Now()
		if _, err := f.WriteAt(block, int64(i)*syncBytes); err != nil {
			d.syncErr = err
			return
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			d.syncErr = &os.PathError{Op: "sync", Path: d.at, Err: err}
			return
		}
		d.syncs = append(d.syncs, time.Since(start))
	}
	_, d.nowait = unix.Preadv2(int(f.Fd()), [][]byte{block}, 0, unix.RWF_NOWAIT)
}

// fileSystems are those that are known, by their numbers in statfs(2).
var fileSystems = map[int64]struct{ name, trouble, remedy string }{
	unix.EXT4_SUPER_MAGIC:      {"ext4", "", ""},
	unix.XFS_SUPER_MAGIC:       {"XFS", "", ""},
	unix.BTRFS_SUPER_MAGIC:     {"btrfs", "its own copy-on-write makes small writes slow and scatters them", "chattr +C on the data folder while it is empty, or ext4 or XFS"},
	0x2fc12fc1:                 {"ZFS", "small writes cost whole records", "zfs set recordsize=16K for its dataset, or ext4 or XFS"},
	unix.TMPFS_MAGIC:           {"tmpfs", "all that is in it is gone when this computer restarts", "put data: on a disk"},
	unix.OVERLAYFS_SUPER_MAGIC: {"overlayfs, a container's own layer", "it goes with the container", "mount a volume there"},
	unix.NFS_SUPER_MAGIC:       {"NFS", "its server's restart stops every machine, and its locks do not keep a second server out for sure", "put data: on a local disk"},
	0xff534d42:                 {"CIFS", "it has no sparse files to rely on", "put data: on a local disk"},
	unix.FUSE_SUPER_MAGIC:      {"FUSE", "it may lack holes and reliable syncs", "put data: on ext4 or XFS"},
	unix.MSDOS_SUPER_MAGIC:     {"FAT", "it has no sparse files", "put data: on ext4 or XFS"},
}

func judgeDisk(d disk) []Finding {
	g := group{check: "disk"}
	if d.err != nil {
		g.fail(fmt.Sprintf("data folder %s: %v", d.dir, d.err), "correct data: in the config, or the rights of that folder")
		return g.all
	}
	switch {
	case d.at != d.dir:
		g.ok(fmt.Sprintf("data folder %s will be made, on the file system of %s", d.dir, d.at))
	case errors.Is(d.format, cow.ErrVersion):
		g.fail(fmt.Sprintf("data folder %s: %v", d.dir, d.format), "run the bootes that made it, or name another folder in data:")
	case errors.Is(d.format, fs.ErrPermission):
		g.warn(fmt.Sprintf("data folder %s was not looked into: %v", d.dir, d.format), "run this as root")
	case d.format != nil:
		g.fail(fmt.Sprintf("data folder %s: %v", d.dir, d.format), "restore it from a backup, or name another folder in data:")
	default:
		g.ok(fmt.Sprintf("data folder %s is in a format that this program knows", d.dir))
	}
	d.judgeSpace(&g)
	d.judgeKind(&g)
	d.judgeSyncs(&g)
	return g.all
}

func (d disk) judgeSpace(g *group) {
	usable := d.space.Free - d.keep
	text := fmt.Sprintf("%s free of %s, of which images and volumes may take %s", bytesize.Format(d.space.Free), bytesize.Format(d.space.Capacity), bytesize.Format(max(usable, 0)))
	switch {
	case usable <= 0:
		g.fail(text+": every machine's writes fail", fmt.Sprintf("free some space, or lower limits.min_free, which is %s", bytesize.Format(d.keep)))
	case usable < folderNeeds:
		g.warn(text, "a golden image and what machines write on it want more; `bootes df` shows what takes how much")
	default:
		g.ok(text)
	}
}

func (d disk) judgeKind(g *group) {
	k, ok := fileSystems[d.space.Kind]
	switch {
	case !ok:
		g.warn(fmt.Sprintf("its file system (%#x) is one that was never tried", d.space.Kind), "ext4 and XFS are what the numbers in the documents were taken on")
	case k.trouble != "":
		g.warn(fmt.Sprintf("it is %s: %s", k.name, k.trouble), k.remedy)
	case d.nowait != nil && d.syncErr == nil:
		g.warn(fmt.Sprintf("%s, whose kernel cannot read without waiting (%v): reads are slower", k.name, d.nowait), "a kernel of 4.14 or newer")
	default:
		g.ok("file system: " + k.name)
	}
}

// slowSync is from where on machines are seen to wait: each of their flushes
// costs one.
const slowSync = 10 * time.Millisecond

func (d disk) judgeSyncs(g *group) {
	if d.syncErr != nil {
		g.warn(fmt.Sprintf("how long a sync takes was not measured: %v", d.syncErr), "run this as root, or as the user that serves")
		return
	}
	slices.Sort(d.syncs)
	median, most := d.syncs[len(d.syncs)/2], d.syncs[len(d.syncs)-1]
	text := fmt.Sprintf("a sync of 4 KiB takes %s, at worst %s", tidy(median), tidy(most))
	if median > slowSync {
		g.warn(text+": machines wait that long for each flush", "an SSD, or a controller with a battery, under the data folder")
		return
	}
	g.ok(text)
}

func tidy(d time.Duration) time.Duration {
	if d > time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
