package diskcheck

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"bootes.dev/internal/diagnose"
)

// summedKernel is what looks like a kernel with its sum, signed.
func summedKernel(version string) []byte {
	const size, pe = 40 << 10, 0x40
	b := []byte(strings.Replace(bzImageOf(size), ver, version, 1))
	binary.LittleEndian.PutUint16(b[bzProtocol:], 0x20f)
	copy(b, "MZ")
	binary.LittleEndian.PutUint32(b[peHeader:], pe)
	copy(b[pe:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[pe+peMagic:], pePlus)
	binary.LittleEndian.PutUint32(b[size-4:], ^crc32.ChecksumIEEE(b[:size-4]))
	copy(b[pe+peChecksum:], "\x01\x02\x03\x04")
	copy(b[pe+peTable64+peDirectory:], "\x05\x06\x07\x08\x09\x0a\x0b\x0c")
	return append(b, "its signature"...)
}

func TestKernelSum(t *testing.T) {
	whole, torn, newer := summedKernel(ver), summedKernel(ver), summedKernel("6.18.0-9-amd64")
	torn[30<<10] ^= 1
	newer[30<<10] ^= 1 // it has no sum
	for name, tt := range map[string]struct {
		kernel []byte
		wrong  bool
	}{"whole": {whole, false}, "damaged": {torn, true}, "without a sum": {newer, false}} {
		c := look1(t, disk(t, system().with(kernel9, string(tt.kernel))), pc)
		const want = "the kernel p1:/vmlinuz seems to be damaged: it does not have the CRC-32 that Linux gives it"
		switch {
		case !tt.wrong && len(c.Findings) == 0 && c.Loads:
		case tt.wrong && len(c.Findings) == 1 && c.Findings[0].Name == "kernel-sum" && !c.Findings[0].Sure && !c.Loads &&
			c.Findings[0].Stops == diagnose.Load && strings.HasPrefix(c.Findings[0].Text, want):
		default:
			t.Errorf("%s: %+v", name, c)
		}
	}
}
