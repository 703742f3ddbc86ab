package iscsi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"bootes.dev/internal/iscsi/pdu"
)

// errProtocol: the initiator broke the protocol in a way that error recovery
// level 0 answers by ending the session.
var errProtocol = errors.New("protocol error")

// errDataDigest: a data segment came with a wrong digest. The PDU after it can be
// read.
var errDataDigest = protocolError("data digest is wrong")

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errProtocol, fmt.Sprintf(format, args...))
}

// framer cuts the byte stream from the initiator into PDUs. After next, the
// data segment is read by data, in pieces if wanted, and closed by end.
type framer struct {
	r            *bufio.Reader
	headerDigest bool
	dataDigest   bool
	maxData      int // longest data segment taken

	bhs    [pdu.HeaderSize]byte
	left   int // bytes of the data segment not read yet
	length int // of the data segment
	digest pdu.Digest
	small  [pdu.DigestSize]byte // digests and padding
	ahs    [255 * 4]byte
}

// next reads a basic header, and drops additional ones.
func (f *framer) next(h *pdu.Header) error {
	if _, err := io.ReadFull(f.r, f.bhs[:]); err != nil {
		return err
	}
	if err := h.UnmarshalBinary(f.bhs[:]); err != nil {
		return err
	}
	ahs := f.ahs[:h.AHSLength]
	if len(ahs) > 0 {
		if _, err := io.ReadFull(f.r, ahs); err != nil {
			return err
		}
	}
	if f.headerDigest {
		ok, err := f.check(pdu.Digest(0).Add(f.bhs[:]).Add(ahs))
		if err != nil {
			return err
		}
		if !ok {
			return protocolError("header digest is wrong")
		}
	}
	if h.DataLength > f.maxData {
		return protocolError("data segment of %d bytes, %d were declared", h.DataLength, f.maxData)
	}
	f.left, f.length, f.digest = h.DataLength, h.DataLength, 0
	return nil
}

// check reads a digest and tells whether it is d.
func (f *framer) check(d pdu.Digest) (ok bool, err error) {
	_, err = io.ReadFull(f.r, f.small[:])
	return d.Matches(f.small[:]), err
}

// data reads the next len(p) bytes of the data segment, which must have them.
func (f *framer) data(p []byte) error {
	if _, err := io.ReadFull(f.r, p); err != nil {
		return err
	}
	f.left -= len(p)
	if f.dataDigest {
		f.digest = f.digest.Add(p)
	}
	return nil
}

// end drops what is left of the data segment and checks its digest.
func (f *framer) end() error {
	for f.left > 0 {
		p, err := f.r.Peek(min(f.left, f.r.Size()))
		if err != nil {
			return err
		}
		if f.dataDigest {
			f.digest = f.digest.Add(p)
		}
		f.left -= len(p)
		_, _ = f.r.Discard(len(p))
	}
	if f.length == 0 {
		return nil
	}
	pad := f.small[:pdu.Pad(f.length)]
	if _, err := io.ReadFull(f.r, pad); err != nil {
		return err
	}
	if !f.dataDigest {
		return nil
	}
	ok, err := f.check(f.digest.Add(pad))
	if err == nil && !ok {
		err = errDataDigest
	}
	return err
}

// cmdSN is that of the request just read.
func (f *framer) cmdSN() uint32 { return binary.BigEndian.Uint32(f.bhs[24:]) }
