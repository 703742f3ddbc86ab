package dhcp

// canonicalUUID turns option 97 (RFC 4578, 2.3: a type byte of 0 and a GUID
// whose first three fields are little-endian) into the usual byte order.
// Anything else, and the dummies that boards without a UUID send, give zero.
func canonicalUUID(opt []byte) (u [16]byte) {
	if len(opt) != 17 || opt[0] != 0 || uniform(opt[1:]) {
		return u
	}
	copy(u[:], opt[1:])
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5] = u[5], u[4]
	u[6], u[7] = u[7], u[6]
	return u
}

// uniform reports whether all bytes are 00 or all are FF.
func uniform(b []byte) bool {
	for _, c := range b {
		if c != b[0] || c != 0 && c != 0xff {
			return false
		}
	}
	return true
}
