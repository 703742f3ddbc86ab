package tftp

import (
	"path"
	"strings"
)

// cleanName makes a requested name relative and free of "..": what remains
// can name nothing above the root. "" means the root itself.
func cleanName(name string) string {
	// Firmware that takes a boot file name from DHCP option 67 sometimes
	// takes the end option (255) after it along.
	for strings.HasSuffix(name, "\xff") {
		name = name[:len(name)-1]
	}
	name = strings.ReplaceAll(name, `\`, "/") // Windows boot managers
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}
