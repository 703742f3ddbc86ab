package crashfs

import "fmt"

type kind uint8

const (
	opCreate kind = iota + 1
	opMkdir
	opRename
	opRemove
	opWrite
	opTruncate
	opPunch
	opForget
	opSyncBegin
	opSync     // has ended well
	opSyncFail // has ended badly
	opSyncDir
)

var kindNames = [...]string{
	opCreate: "create", opMkdir: "mkdir", opRename: "rename", opRemove: "remove",
	opWrite: "write", opTruncate: "truncate", opPunch: "punch", opForget: "forget",
	opSyncBegin: "begin sync", opSync: "sync", opSyncFail: "failed sync", opSyncDir: "syncdir",
}

// op is one thing done to the file system. Files and folders are meant by
// number, so that a name which a power cut takes away changes nothing else.
type op struct {
	kind kind
	id   int    // its place among all
	name string // as the caller said it

	node         int // the file or folder concerned
	dir, toDir   int // where a name changes
	base, toBase string

	off, n int64 // truncate: n is the length
	data   []byte

	since int    // of a sync that has ended: the id of its beginning
	seed  uint64 // of a failed sync: which sectors it saved
}

// sizeSector stands for the length of a file where sectors are meant.
const sizeSector = -1

func (o *op) String() string {
	switch o.kind {
	case opRename:
		return fmt.Sprintf("#%d rename %s to …/%s", o.id, o.name, o.toBase)
	case opWrite, opPunch:
		return fmt.Sprintf("#%d %s %s %d+%d", o.id, kindNames[o.kind], o.name, o.off, o.n)
	case opTruncate:
		return fmt.Sprintf("#%d truncate %s to %d", o.id, o.name, o.n)
	}
	return fmt.Sprintf("#%d %s %s", o.id, kindNames[o.kind], o.name)
}

// naming operations change folders, and are kept or lost as a whole.
func (o *op) naming() bool { return o.kind <= opRemove }

// content operations change one file, and are kept or lost by the sector.
func (o *op) content() bool { return o.kind >= opWrite && o.kind <= opPunch }

// sectors returns the first and last sector that a content operation changes.
func (o *op) sectors() (first, last int64) {
	if o.kind == opTruncate {
		return sizeSector, sizeSector
	}
	return o.off / sectorSize, (o.off + o.n - 1) / sectorSize
}

func (o *op) touches(sector int64) bool {
	first, last := o.sectors()
	return sector >= first && sector <= last || sector == sizeSector && o.kind == opWrite
}

// needs reports whether a naming operation cannot have happened without an
// earlier one: both are about the same thing or the same name, or the one
// removes a folder that the other emptied. What is in different folders and
// about different things may become durable in any order.
func (o *op) needs(a *op) bool {
	return a.node == o.node || o.kind == opRemove && a.in(o.node) || a.names(o.dir, o.base) || o.kind == opRename && a.names(o.toDir, o.toBase)
}

// in reports whether a naming operation changes a folder.
func (o *op) in(dir int) bool { return o.dir == dir || o.kind == opRename && o.toDir == dir }

func (o *op) names(dir int, base string) bool {
	return o.dir == dir && o.base == base || o.kind == opRename && o.toDir == dir && o.toBase == base
}
