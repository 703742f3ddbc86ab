package scsi

// Execute runs a Parameters command with its data, or a Slow one without. If it
// then Preempts, it is over when EndPreempted says so.
func (d *Disk) Execute(c *Command, params []byte) Sense {
	s := d.execute(c, params)
	if s.OK() {
		s = d.Finish(c)
	}
	return s
}

func (d *Disk) execute(c *Command, params []byte) Sense {
	switch c.verb {
	case synchronize:
		return senseOf(d.dev.Flush())
	case compareOne:
		return d.compareEach(c, params)
	case check:
		return d.check(c.offset, c.span)
	case same:
		d.order.RLock()
		defer d.order.RUnlock()
		return d.writeSame(c, params)
	case unmap:
		d.order.RLock()
		defer d.order.RUnlock()
		return d.unmap(params)
	case compareStore:
		return d.compareWrite(c, params)
	case reserveUnit:
		return d.reserveSimple(c)
	case reservePersistent:
		return d.reservePersistent(c, params)
	case copyBlocks:
		return d.extendedCopy(c, params)
	case selectModes:
		return d.modeSelect(c, params)
	}
	return internalFailure
}

// SYNCHRONIZE CACHE always covers the whole disk: a Device has one Flush, and
// more than was asked is allowed. A count of 0 means "to the end" (SBC-3, 5.22).
func decodeSync10(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent10()
	c.Kind, c.verb = Slow, synchronize
	return c.extent(d, lba, count)
}

func decodeSync16(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent16()
	c.Kind, c.verb = Slow, synchronize
	return c.extent(d, lba, count)
}

// PRE-FETCH does nothing: the page cache needs no help.
func decodePrefetch10(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent10()
	return c.extent(d, lba, count)
}

func decodePrefetch16(d *Disk, cdb *CDB, c *Command) Sense {
	lba, count := cdb.extent16()
	return c.extent(d, lba, count)
}

// START STOP UNIT: the disk has no motor. Stopping flushes, as SBC-3 asks; a
// guest that powers off says so. LOEJ would eject, and nothing here ejects.
// To load what is loaded is no error.
func decodeStartStop(d *Disk, cdb *CDB, c *Command) Sense {
	start, condition := cdb[4]&1 != 0, cdb[4]>>4
	if cdb[4]&0x02 != 0 && (d.kind != typeDisc || !start) {
		return badField(4)
	}
	if !start && condition == 0 {
		c.Kind, c.verb = Slow, synchronize
	}
	return Sense{}
}
