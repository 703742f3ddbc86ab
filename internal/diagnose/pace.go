package diagnose

import (
	"time"

	"bootes.dev/internal/recorder"
)

// Pace is what a boot that goes on has moved, and where its time went. As it is
// reported it counts from the beginning of a session; see Since.
type Pace struct {
	Session  time.Time     // when that began
	Commands uint64        // answered, of all its disks
	Read     int64         // bytes
	Served   time.Duration // that this server took for them: in queues, by limits, at the disk

	Sent, Resent uint64        // segments of TCP
	Busy         time.Duration // in which something was on its way to the machine
	Full         time.Duration // of that: the machine had no room for more
	RTT          time.Duration // the shortest there and back of late

	Quiet time.Duration // since something came from it

	Volume    string // that the server spent most of that time on
	IOPS      int64  // its limits; 0: none
	Bandwidth int64  // bytes a second

	Over time.Duration // that the counts are of
	File File          // in place of all of the above: what it is sent
}

// File is one on its way to a machine.
type File struct {
	Name, Proto string
	Began       time.Time
	Done, Size  int64 // bytes
	Resent      int   // packets of TFTP, or windows of them
}

// Since is what p has that earlier did not; false if they are not of one session.
func (p Pace) Since(earlier Pace, over time.Duration) (Pace, bool) {
	if p.Session.IsZero() || !p.Session.Equal(earlier.Session) || p.Commands < earlier.Commands {
		return p, false // a disk that was opened anew counts anew
	}
	p.Commands -= earlier.Commands
	p.Read -= earlier.Read
	p.Served -= earlier.Served
	p.Sent -= earlier.Sent
	p.Resent -= earlier.Resent
	p.Busy -= earlier.Busy
	p.Full -= earlier.Full
	p.Over = over
	return p, true
}

// Moved reports whether p's boot has got on since earlier.
func (p Pace) Moved(earlier Pace) bool {
	return p.Commands != earlier.Commands || !p.Session.Equal(earlier.Session) || p.File.moved(earlier.File)
}

// moved: that it is sent again is no progress.
func (f File) moved(earlier File) bool {
	f.Resent, earlier.Resent = 0, 0
	return f != earlier
}

// where is what a boot mostly waits for.
type where int

const (
	itsOwn where = iota // none of the others, and so the machine itself
	byLimit
	atDisk
	byLoss
	byDistance
	byLink
)

const (
	// far is there and back to what is no machine of the same site.
	far = 20 * time.Millisecond
	// turns is how often a command waits for the way there and back, at most: a long
	// answer goes in several windows.
	turns = 8
	// lossyShare of what is sent, at least, is sent again where packets are lost.
	lossyShare = 50
)

// mostly is what took at least half of the time.
func (p Pace) mostly() where {
	half := p.Over / 2
	switch {
	case p.Over == 0:
		return itsOwn
	case p.Served >= half && (p.IOPS > 0 || p.Bandwidth > 0):
		return byLimit
	case p.Served >= half:
		return atDisk
	case p.Busy < half:
		return itsOwn
	case p.Resent >= 5 && p.Resent*lossyShare >= p.Sent:
		return byLoss
	case p.RTT >= far && p.RTT*time.Duration(p.Commands) >= p.Over/turns:
		return byDistance
	}
	return byLink
}

// Lossy reports whether no sound network has so much sent again. A link that is
// gone takes some dozen.
func (p Pace) Lossy() bool { return p.Resent >= 20 && p.Resent*20 >= p.Sent }

// crawling is how long a boot may go on at a stage as long as nothing is known of
// how long it usually takes. At the firmware's stage it is sent its loader.
var crawling = map[recorder.Stage]time.Duration{
	recorder.StageFirmware: 20 * time.Second,
	recorder.StageLoader:   20 * time.Second,
	recorder.StageLogin:    time.Minute,
	recorder.StageRead:     time.Minute,
	recorder.StageKernel:   2 * time.Minute,
}

// grace is what is added to a habit before a person would call it slow.
const grace = 20 * time.Second

// Crawls is how long a boot may go on at a stage before it is slow. 0: for ever.
func Crawls(st recorder.Stage, u recorder.Usual) time.Duration {
	most := crawling[st]
	if most == 0 || u.Boots < 2 {
		return most
	}
	return max(3*u.Median, u.Slowest*3/2, u.Median+grace)
}

// IsSlow reports whether c, which goes on, is worth a word: if it takes longer than
// usual, or what it waits for was seen.
func IsSlow(c Case) bool {
	return c.Pace.File.Name != "" || c.Pace.mostly() != itsOwn || c.Usual > 0 && c.Stage != recorder.StageKernel
}
