package diagnose

import (
	"fmt"
	"time"

	"bootes.dev/internal/recorder"
)

// slow is a boot that goes on.
func slow(c Case) report {
	if c.Pace.File.Name != "" {
		return c.slowFile()
	}
	if c.Stage == recorder.StageRunning {
		return c.lossySystem()
	}
	c.Pace.unbind()
	p := c.Pace
	var f facts
	f.add(p.Commands > 0, "in the last %s this server answered %d commands of its disks, %s: %s a second", since(p.Over), p.Commands, size(p.Read), size(p.Rate()))
	f.add(p.Commands > 0, "from one command to the next it is %s; of that this server takes %s", since(p.each(p.Over)), short(p.each(p.Served)))
	f.add(p.RTT > 0, "a packet to it and back takes %s", short(p.RTT))
	f.add(p.Resent > 0, "of %d packets to it %d were sent again", p.Sent, p.Resent)
	f.add(p.Busy >= p.Over/2, "for %d %% of the time something was on its way to it", percent(p.Busy, p.Over))
	f.add(p.Full >= p.Over/2, "and it had no room for more")
	f.add(p.IOPS > 0, "volume %s is limited to %d commands a second", p.Volume, p.IOPS)
	f.add(p.Bandwidth > 0, "volume %s is limited to %s a second", p.Volume, size(p.Bandwidth))
	f.add(c.Together > 0, "%s boot at the same time", others(c.Together))
	f.add(c.Peers.Boots > 0, "with the same image, %s took %s for this", boots(c.Peers.Boots), since(c.Peers.Median))
	return report{
		summary:  fmt.Sprintf("it takes far too long: at stage %s for %s, and %s read by then", c.Stage, since(c.Going), size(c.Disk.Read)),
		evidence: f,
		causes:   c.slowCauses(),
	}
}

// lossySystem is one whose disk is slow for the sake of its link.
func (c Case) lossySystem() report {
	p := c.Pace
	var f facts
	f.add(true, "commands of its disk take long, and wait for the machine or the network")
	f.add(p.RTT > 0, "a packet to it and back takes %s", short(p.RTT))
	return report{
		summary:  fmt.Sprintf("its system runs, and its disk is slow: of %d packets to it %d were sent again", p.Sent, p.Resent),
		evidence: f,
		causes:   []recorder.Cause{c.losesPackets()},
	}
}

// short is since of what may be nearly nothing.
func short(d time.Duration) string {
	if d < time.Millisecond {
		return "less than 1ms"
	}
	return since(d)
}

// unbind takes out a limit that the boot is far from, where the other one is not.
func (p *Pace) unbind() {
	few := p.IOPS > 0 && float64(p.Commands) < float64(p.IOPS)*p.Over.Seconds()/2
	little := p.Bandwidth > 0 && p.Rate() < p.Bandwidth/2
	switch {
	case few && p.Bandwidth > 0 && !little:
		p.IOPS = 0
	case little && p.IOPS > 0 && !few:
		p.Bandwidth = 0
	}
}

// Rate is how many bytes a second were read.
func (p Pace) Rate() int64 { return perSecond(p.Read, p.Over) }

func (p Pace) each(d time.Duration) time.Duration { return d / time.Duration(max(p.Commands, 1)) }

func perSecond(n int64, over time.Duration) int64 {
	return int64(float64(n) / max(over.Seconds(), 1))
}

func percent(part, of time.Duration) int {
	return min(int(100*part/max(of, 1)), 100)
}

func boots(n int) string {
	if n == 1 {
		return "1 boot of another machine"
	}
	return fmt.Sprintf("%d boots of other machines", n)
}

func (c Case) slowCauses() []recorder.Cause {
	p := c.Pace
	switch p.mostly() {
	case byLimit:
		return []recorder.Cause{c.limited()}
	case atDisk:
		return c.slowDisk()
	case byLoss:
		return []recorder.Cause{c.losesPackets()}
	case byDistance:
		if p.RTT*time.Duration(p.Commands) >= p.Over/2 {
			return []recorder.Cause{c.farAway(p.RTT)}
		}
		return []recorder.Cause{c.farAway(p.RTT), c.narrow()}
	case byLink: // a machine that is slow to take what it is sent looks like it
		return []recorder.Cause{c.narrow(), c.itself()}
	}
	return []recorder.Cause{c.itself()}
}

func (c Case) limited() recorder.Cause {
	p := c.Pace
	text, flags := "", ""
	if p.IOPS > 0 {
		text, flags = fmt.Sprintf("%d commands a second (--iops)", p.IOPS), " --iops none"
	}
	if p.Bandwidth > 0 {
		if text != "" {
			text += " and "
		}
		text, flags = text+fmt.Sprintf("%s a second (--bandwidth)", size(p.Bandwidth)), flags+" --bandwidth none"
	}
	return cause(fmt.Sprintf("its volume %s is held to a limit that somebody has set: %s", p.Volume, text), "bootes volume set %s%s, which counts at once", p.Volume, flags)
}

func (c Case) slowDisk() []recorder.Cause {
	disk := cause("the disk of this server is slow, or busy with something else", "bootes volume io %s shows what its commands wait for; iostat -x 5 and dmesg on this server, whether its disk is busy, or failing", c.Pace.Volume)
	if c.Together < crowded {
		return []recorder.Cause{disk}
	}
	return []recorder.Cause{
		cause(fmt.Sprintf("%s boot at the same time, and this server is at its limit", others(c.Together)), "it passes; switch them on in groups, or give this server more memory for its images, and faster disks"),
		disk}
}

// crowded is how many machines that boot at once are felt.
const crowded = 4

func (c Case) losesPackets() recorder.Cause {
	return cause("its link loses packets",
		"another cable, another port of the switch; look at that port's errors, and at the speed and duplex that both ends have agreed on; ping -c 100 -i 0.2 -s 1400 %s from here counts what is lost", c.address())
}

func (c Case) farAway(rtt time.Duration) recorder.Cause {
	return cause(fmt.Sprintf("the way to it is long: boot loaders ask for one piece after the other, and each waits the %s there and back", since(rtt)),
		"nothing is broken, and it will get there; ping %s from here shows the way's time. Take a shorter one (no satellite, VPN or radio bridge), or a server near the machines", c.address())
}

func (c Case) narrow() recorder.Cause {
	return cause("a link on the way is narrow, or full",
		"look at the speed that both ends of each link have agreed on (10 Mbit/s? a Wi-Fi bridge?), and at what else goes over it; `bootes boot watch` shows how fast its disk is read")
}

func (c Case) itself() recorder.Cause {
	return cause("the machine itself takes its time between two commands: neither this server nor the network does",
		"look at its screen; a driver of iPXE's may be slow on this card: another build, bootes machine set %s --loader FILE, FILE from `bootes loaders`", c.Subject)
}

// slowFile is a loader that is on its way for long.
func (c Case) slowFile() report {
	x, over := c.Pace.File, c.Pace.Over
	var f facts
	f.add(true, "by %s, %s a second", x.Proto, size(perSecond(x.Done, over)))
	f.add(x.Proto == "TFTP", "%d packets were sent again", x.Resent)
	return report{
		summary:  fmt.Sprintf("it takes far too long: %s is being sent to it for %s, and %s of %s have arrived", x.Name, since(over), size(x.Done), size(x.Size)),
		evidence: f,
		causes:   c.slowFileCauses(),
	}
}

func (c Case) slowFileCauses() []recorder.Cause {
	long := cause("the way to it is long, or narrow: a file goes packet by packet, and each waits for the answer to the one before", "ping %s from here shows the time there and back; look at the speed that both ends of each link have agreed on", c.address())
	switch x := c.Pace.File; {
	case x.Resent >= 5:
		return []recorder.Cause{c.losesPackets(), long}
	case x.Proto == "TFTP":
		return []recorder.Cause{long}
	}
	return []recorder.Cause{long, c.losesPackets()}
}
