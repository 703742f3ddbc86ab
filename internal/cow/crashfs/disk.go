package crashfs

import "maps"

const (
	sectorSize = 512
	pageSize   = 4096
)

// disk is the content of a file system: files and folders by number, 0 being
// the root. Clones share what neither of them has changed since.
type disk struct {
	nodes map[int]*node
	own   *mark // what bears it belongs to this disk alone
}

type mark struct{ _ byte }

type node struct {
	own   *mark
	dir   bool
	names map[string]int  // of a folder
	pages map[int64]*page // of a file; what is not there is a hole
	size  int64
}

type page struct {
	own  *mark
	data [pageSize]byte
}

func newDisk() *disk {
	d := &disk{nodes: map[int]*node{}, own: new(mark)}
	d.folder(0)
	return d
}

func (d *disk) clone() *disk {
	d.own = new(mark)
	return &disk{maps.Clone(d.nodes), new(mark)}
}

// node returns a node that may be changed; it is made if need be.
func (d *disk) node(i int) *node {
	n := d.nodes[i]
	switch {
	case n == nil:
		n = &node{own: d.own, pages: map[int64]*page{}}
	case n.own != d.own:
		n = &node{d.own, n.dir, maps.Clone(n.names), maps.Clone(n.pages), n.size}
	default:
		return n
	}
	d.nodes[i] = n
	return n
}

func (d *disk) folder(i int) *node {
	n := d.node(i)
	if !n.dir {
		n.dir, n.names = true, map[string]int{}
	}
	return n
}

// page returns a page of a file that may be changed.
func (d *disk) page(n *node, i int64) *page {
	p := n.pages[i]
	switch {
	case p == nil:
		p = &page{own: d.own}
	case p.own != d.own:
		p = &page{d.own, p.data}
	default:
		return p
	}
	n.pages[i] = p
	return p
}

// apply does an operation, its content only in those sectors of the file that
// keep says. Names are not asked for.
func (d *disk) apply(o *op, keep func(sector int64) bool) {
	switch o.kind {
	case opCreate:
		d.node(o.node)
		d.folder(o.dir).names[o.base] = o.node
	case opMkdir:
		d.folder(o.node)
		d.folder(o.dir).names[o.base] = o.node
	case opRename:
		delete(d.folder(o.dir).names, o.base)
		d.folder(o.toDir).names[o.toBase] = o.node
	case opRemove:
		delete(d.folder(o.dir).names, o.base)
	case opWrite:
		d.write(o, keep)
	case opTruncate:
		if keep(sizeSector) {
			d.truncate(o)
		}
	case opPunch:
		d.punch(o, keep)
	}
}

func (d *disk) write(o *op, keep func(sector int64) bool) {
	n := d.node(o.node)
	for at := o.off; at < o.off+o.n; {
		s := at / sectorSize
		end := min((s+1)*sectorSize, o.off+o.n)
		if keep(s) {
			copy(d.page(n, at/pageSize).data[at%pageSize:], o.data[at-o.off:end-o.off])
			n.size = max(n.size, end)
		}
		at = end
	}
	if keep(sizeSector) {
		n.size = max(n.size, o.off+o.n)
	}
}

func (d *disk) truncate(o *op) {
	n := d.node(o.node)
	for i := range n.pages {
		if i*pageSize >= o.n {
			delete(n.pages, i)
		} else if tail := o.n - i*pageSize; tail < pageSize {
			clear(d.page(n, i).data[tail:])
		}
	}
	n.size = o.n
}

func (d *disk) punch(o *op, keep func(sector int64) bool) {
	n := d.node(o.node)
	for i := o.off / pageSize; i <= (o.off+o.n-1)/pageSize; i++ {
		if n.pages[i] == nil {
			continue
		}
		gone := 0
		for s := i * pageSize / sectorSize; s < (i+1)*pageSize/sectorSize; s++ {
			if from, to := max(s*sectorSize, o.off), min((s+1)*sectorSize, o.off+o.n); from < to && keep(s) {
				clear(d.page(n, i).data[from-i*pageSize : to-i*pageSize])
				gone += int(to - from)
			}
		}
		if gone == pageSize {
			delete(n.pages, i)
		}
	}
}

// copySector makes a sector of a file what it is on another disk.
func (d *disk) copySector(from *disk, file int, sector int64) {
	n, i, at := d.node(file), sector*sectorSize/pageSize, sector*sectorSize%pageSize
	var src [sectorSize]byte
	if f := from.nodes[file]; f != nil && f.pages[i] != nil {
		copy(src[:], f.pages[i].data[at:])
	} else if n.pages[i] == nil {
		return
	}
	copy(d.page(n, i).data[at:at+sectorSize], src[:])
}

// sweep drops what no name leads to, and returns the bytes allocated.
func (d *disk) sweep() (allocated int64) {
	found := map[int]*node{}
	var walk func(i int)
	walk = func(i int) {
		n := d.nodes[i]
		if n == nil || found[i] != nil {
			return
		}
		found[i] = n
		allocated += n.allocated()
		for _, child := range n.names {
			walk(child)
		}
	}
	walk(0)
	d.nodes = found
	return allocated
}

func (n *node) allocated() int64 { return int64(len(n.pages)) * pageSize }
