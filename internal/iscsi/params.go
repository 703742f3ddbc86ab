package iscsi

import (
	"strconv"
	"strings"
)

// What the target declares or insists on.
const (
	ourMaxData    = maxPiece // MaxRecvDataSegmentLength
	ourMaxBurst   = maxPiece
	ourFirstBurst = maxPiece
	portalGroup   = "1"
)

// params are the negotiated operational parameters (RFC 7143, 13), with their
// defaults at first.
type params struct {
	headerDigest, dataDigest bool
	initialR2T               bool
	immediateData            bool
	maxData                  int // what the initiator takes in one data segment
	maxBurst                 int
	firstBurst               int
}

func defaultParams() params {
	return params{initialR2T: true, immediateData: true, maxData: 8192, maxBurst: 256 << 10, firstBurst: 64 << 10}
}

const (
	answerReject        = "Reject"
	answerIrrelevant    = "Irrelevant"
	answerNotUnderstood = "NotUnderstood"
)

// negotiate settles one operational key that the initiator offered and returns
// the answer; "" where the key is only declared.
func (p *params) negotiate(key, value string, discovery bool) string {
	switch key {
	case "HeaderDigest":
		return digest(value, &p.headerDigest)
	case "DataDigest":
		return digest(value, &p.dataDigest)
	case "MaxRecvDataSegmentLength":
		n, ok := number(value, 512, 1<<24-1)
		if !ok {
			return answerReject
		}
		p.maxData = n
		return ""
	case "DefaultTime2Wait":
		return atLeast(value, 0, 3600, 2)
	case "DefaultTime2Retain":
		return atMost(value, 0, 3600, 0)
	case "ErrorRecoveryLevel":
		return atMost(value, 0, 2, 0)
	case "IFMarker", "OFMarker":
		return both(value, false, new(bool))
	case "IFMarkInt", "OFMarkInt":
		return answerIrrelevant
	case "TaskReporting":
		return choose(value, "RFC3720")
	case "iSCSIProtocolLevel":
		return atMost(value, 0, 31, 1)
	}
	if answer, ok := p.sessionKey(key, value); ok {
		if discovery {
			return answerIrrelevant
		}
		return answer
	}
	return answerNotUnderstood
}

// sessionKey settles the keys that mean nothing in a discovery session.
func (p *params) sessionKey(key, value string) (answer string, known bool) {
	switch key {
	case "MaxConnections":
		return atMost(value, 1, 65535, 1), true
	case "InitialR2T":
		return either(value, false, &p.initialR2T), true
	case "ImmediateData":
		return both(value, true, &p.immediateData), true
	case "MaxBurstLength":
		return length(value, ourMaxBurst, &p.maxBurst), true
	case "FirstBurstLength":
		return length(value, ourFirstBurst, &p.firstBurst), true
	case "MaxOutstandingR2T":
		return atMost(value, 1, 65535, 1), true
	case "DataPDUInOrder", "DataSequenceInOrder":
		return either(value, true, new(bool)), true
	}
	return "", false
}

// settle is called when negotiation has ended.
func (p *params) settle() { p.firstBurst = min(p.firstBurst, p.maxBurst) }

// number reads a decimal or hexadecimal numerical value (RFC 7143, 6.1).
func number(s string, low, high int) (int, bool) {
	base, digits := 10, s
	if len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") {
		base, digits = 16, s[2:]
	}
	n, err := strconv.ParseUint(digits, base, 32)
	return int(n), err == nil && int(n) >= low && int(n) <= high
}

func atMost(value string, low, high, ours int) string {
	n, ok := number(value, low, high)
	if !ok {
		return answerReject
	}
	return strconv.Itoa(min(n, ours))
}

func atLeast(value string, low, high, ours int) string {
	n, ok := number(value, low, high)
	if !ok {
		return answerReject
	}
	return strconv.Itoa(max(n, ours))
}

func length(value string, ours int, to *int) string {
	n, ok := number(value, 512, 1<<24-1)
	if !ok {
		return answerReject
	}
	*to = min(n, ours)
	return strconv.Itoa(*to)
}

func boolean(value string) (v, ok bool) { return value == "Yes", value == "Yes" || value == "No" }

func yesNo(v bool) string {
	if v {
		return "Yes"
	}
	return "No"
}

// either is the OR function of two booleans.
func either(value string, ours bool, to *bool) string {
	v, ok := boolean(value)
	if !ok {
		return answerReject
	}
	*to = v || ours
	return yesNo(*to)
}

// both is the AND function of two booleans.
func both(value string, ours bool, to *bool) string {
	v, ok := boolean(value)
	if !ok {
		return answerReject
	}
	*to = v && ours
	return yesNo(*to)
}

// choose picks the first value of an offered list that is among ours.
func choose(offer string, ours ...string) string {
	for v := range strings.SplitSeq(offer, ",") {
		for _, o := range ours {
			if v == o {
				return v
			}
		}
	}
	return answerReject
}

func digest(offer string, on *bool) string {
	answer := choose(offer, "CRC32C", "None")
	*on = answer == "CRC32C"
	return answer
}
