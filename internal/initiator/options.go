package initiator

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net"

	"bootes.dev/internal/iscsi/pdu"
)

// Options of a session. Initiator is required, and Target but for discovery.
type Options struct {
	Initiator string  // its iSCSI name
	Target    string  // the target's iSCSI name
	ISID      [6]byte // default: a random one

	User, Secret string // CHAP; no User: no authentication is offered
	// ReverseUser and ReverseSecret ask the target to prove itself by mutual
	// CHAP; the login fails if it does not.
	ReverseUser, ReverseSecret string
	// Algorithms are the CHAP algorithms offered, as in CHAP_A; default
	// "8,7,6,5": SHA3-256, SHA-256, SHA-1, MD5.
	Algorithms string

	HeaderDigest, DataDigest bool // CRC32C, or no session

	ImmediateData bool // offered
	InitialR2T    bool // no unsolicited data beside the immediate
	MaxData       int  // MaxRecvDataSegmentLength, bytes; default 256 KiB
	MaxBurst      int  // offered, bytes; default 256 KiB
	FirstBurst    int  // offered, bytes; default 64 KiB

	Depth     int  // most commands at once; default 32, at most 4096
	Discovery bool // a discovery session, without a target

	FollowRedirects bool // log in where the target sends us, up to 4 times

	// Dial connects; default: by TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Async is told of asynchronous messages, on the reader; default: nobody.
	Async func(pdu.AsyncMessage)
}

const (
	maxDepth     = 4096
	maxRedirects = 4
)

func (o *Options) ensureDefaults() error {
	if o.Initiator == "" || o.Target == "" && !o.Discovery {
		return errors.New("initiator and target need names")
	}
	if o.ISID == [6]byte{} {
		_, _ = rand.Read(o.ISID[:]) // never fails
		o.ISID[0] = 0x80            // T=10b: random (RFC 7143, 11.12.5)
	}
	o.Algorithms = cmp.Or(o.Algorithms, "8,7,6,5")
	o.MaxData = cmp.Or(o.MaxData, 256<<10)
	o.MaxBurst = cmp.Or(o.MaxBurst, 256<<10)
	o.FirstBurst = min(cmp.Or(o.FirstBurst, 64<<10), o.MaxBurst)
	o.Depth = min(cmp.Or(o.Depth, 32), maxDepth)
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	return nil
}

// Negotiated is what login settled.
type Negotiated struct {
	Portal                   string // where the session is, after redirections
	TSIH                     uint16
	Algorithm                string // of CHAP; "" for none
	HeaderDigest, DataDigest bool
	ImmediateData            bool
	InitialR2T               bool
	MaxData                  int // what the target takes in one data segment, bytes
	MaxBurst, FirstBurst     int // bytes
}
