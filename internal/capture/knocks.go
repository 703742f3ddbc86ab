package capture

// Knocks counts what came to our ports' doors, as the network card saw it: before
// any firewall of this computer.
type Knocks struct {
	TFTP, HTTP, ISCSI int // requests, or connections that were asked for
	Proxy             int // requests to port 4011
	Accepted          int // connections to iSCSI's port that this computer answered
	Answered          int // likewise to HTTP's
}

// Knocks counts the packets of spans that ask for anything.
func (c *Capture) Knocks(spans ...Span) (k Knocks) {
	for _, o := range c.of(spans) {
		if f, ok := parse(o.Data, c.o.Ports); ok {
			k.count(&f, c.o.Ports)
		}
	}
	return k
}

func (k *Knocks) count(f *frame, p Ports) {
	const syn, ack = 0x02, 0x10
	opens := f.flags&(syn|ack) == syn
	switch {
	case f.kind == kindTFTP && f.dst.Port() == p.TFTP:
		k.TFTP++
	case f.kind == kindDHCP && f.dst.Port() == portPXE:
		k.Proxy++
	case f.kind == kindHTTP && opens && f.dst.Port() == p.HTTP:
		k.HTTP++
	case f.kind == kindISCSI && opens && f.dst.Port() == p.ISCSI:
		k.ISCSI++
	case f.kind == kindISCSI && f.flags&(syn|ack) == syn|ack && f.src.Port() == p.ISCSI:
		k.Accepted++
	case f.kind == kindHTTP && f.flags&(syn|ack) == syn|ack && f.src.Port() == p.HTTP:
		k.Answered++
	}
}
