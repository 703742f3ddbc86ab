package dhcp

// Features are the codes of what an iPXE was built with, as it lists them in
// option 175: one encapsulated option each, from 0x10 to 0x7f (iPXE's
// ipxe/features.h). Empty: it said nothing of them.
type Features []byte

const (
	firstFeature = 0x10
	lastFeature  = 0x7f
)

// features reads option 175: code, length and value, one after the other. What
// is cut off ends the list.
func features(opt []byte) (f Features) {
	for len(opt) > 0 {
		code := opt[0]
		if code == 0 {
			opt = opt[1:]
			continue
		}
		if code == 255 || len(opt) < 2 || len(opt) < 2+int(opt[1]) {
			break
		}
		if code >= firstFeature && code <= lastFeature {
			f = append(f, code)
		}
		opt = opt[2+int(opt[1]):]
	}
	return f
}
