package load

import (
	"encoding/binary"
	"fmt"
	"os"
)

// wordSize is of the words of which WriteWords makes files.
const wordSize = 4

// WriteWords makes a file of size bytes in which each word is its own number,
// so that a client can tell from any part of it whether that is the right one.
func WriteWords(path string, size int64) error {
	b := make([]byte, size)
	for off := int64(0); off+wordSize <= size; off += wordSize {
		binary.LittleEndian.PutUint32(b[off:], uint32(off/wordSize))
	}
	return os.WriteFile(path, b, 0o644)
}

// checkWords looks at the first and the last word of what a file by WriteWords
// has at off.
func checkWords(b []byte, off int64) error {
	skip := int(-off & (wordSize - 1))
	if len(b) < skip+wordSize {
		return nil
	}
	end := skip + (len(b)-skip)/wordSize*wordSize
	for _, at := range []int{skip, end - wordSize} {
		want := uint32((off + int64(at)) / wordSize)
		if got := binary.LittleEndian.Uint32(b[at:]); got != want {
			return fmt.Errorf("word %d of the file is %d", want, got)
		}
	}
	return nil
}
