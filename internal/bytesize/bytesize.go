// Package bytesize reads and writes numbers of bytes as people do: in powers of
// 1024, everywhere in the same words.
package bytesize

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrSyntax says what would be right.
var ErrSyntax = errors.New("write a number of bytes, or one with K, M, G or T (powers of 1024), such as 512M or 10G")

// Parse reads a size such as "10G", "512MiB" or "1048576". As with
// qemu-img and LVM, K, M, G and T are powers of 1024. Its only
// error is ErrSyntax.
func Parse(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGTiBkmgtb")
	shift, ok := map[string]int{
		"": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40,
		"KIB": 10, "MIB": 20, "GIB": 30, "TIB": 40,
	}[strings.ToUpper(s[len(digits):])]
	if !ok {
		return 0, ErrSyntax
	}
	whole, fraction, dotted := strings.Cut(digits, ".")
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || (dotted && shift == 0) || n > math.MaxInt64>>shift {
		return 0, ErrSyntax
	}
	size := int64(n) << shift
	if !dotted {
		return size, nil
	}
	f, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil || len(fraction) > 3 {
		return 0, ErrSyntax
	}
	part := float64(f) / math.Pow10(len(fraction)) * float64(int64(1)<<shift)
	if size > math.MaxInt64-int64(part) {
		return 0, ErrSyntax
	}
	return size + int64(part), nil
}

// Format gives a size to three figures or four, in powers of 1024.
func Format(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	const units = "BKMGTPE"
	for f >= 1023.5 && unit < len(units)-1 {
		f, unit = f/1024, unit+1
	}
	decimals := 0
	switch {
	case f < 9.995:
		decimals = 2
	case f < 99.95:
		decimals = 1
	}
	s := fmt.Sprintf("%.*f", decimals, f)
	if decimals > 0 {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return fmt.Sprintf("%s %ciB", s, units[unit])
}
