package diskimage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bootes.dev/internal/needs"
)

// sfdisk partitions a disk of 64 MiB by script, and says what it made of it.
func sfdisk(t *testing.T, script string) (disk []byte, parts []Partition) {
	t.Helper()
	needs.Program(t, "sfdisk", "fdisk")
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sfdisk", "-q", path)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	out, err := exec.Command("sfdisk", "--json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		PartitionTable struct {
			Label, ID  string
			Partitions []struct {
				Node, Type, Name, UUID string
				Start, Size            int64
			}
		}
	}
	if err := json.Unmarshal(out, &table); err != nil {
		t.Fatal(err)
	}
	for _, p := range table.PartitionTable.Partitions {
		var number int
		if _, err := fmt.Sscanf(strings.TrimPrefix(p.Node, path), "%d", &number); err != nil {
			t.Fatalf("%q: %v", p.Node, err)
		}
		kind := gptType(p.Type)
		if table.PartitionTable.Label == "dos" {
			var code byte
			if _, err := fmt.Sscanf(p.Type, "%x", &code); err != nil {
				t.Fatal(err)
			}
			if isExtended(code) {
				continue
			}
			kind = mbrType(code)
		}
		id := strings.ToLower(p.UUID)
		if table.PartitionTable.Label == "dos" {
			id = fmt.Sprintf("%s-%02x", strings.TrimPrefix(table.PartitionTable.ID, "0x"), number)
		}
		parts = append(parts, Partition{number, p.Name, kind, p.Start * 512, p.Size * 512, id})
	}
	if disk, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return disk, parts
}

func partitions(t *testing.T, disk []byte) []Partition {
	t.Helper()
	got, err := Partitions(bytes.NewReader(disk), int64(len(disk)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestPartitionsAsSfdisk: what sfdisk makes is read as sfdisk reads it.
func TestPartitionsAsSfdisk(t *testing.T) {
	for name, script := range map[string]string{
		"GPT":               "label: gpt\nsize=1M, type=21686148-6449-6E6F-744E-656564454649, name=\"BIOS boot\"\nsize=8M, type=U\nsize=4M, type=S, name=\"Grüße\"\ntype=L, name=\"a name of thirty-six characters, full\"\n",
		"GPT with gaps":     "label: gpt\n7: start=40960, size=2048, type=DEADBEEF-0000-4000-8000-000000000001\n3: start=20480, size=1\n100: start=60000, size=4M\n",
		"GPT, empty":        "label: gpt\n",
		"GPT, 1000 entries": "label: gpt\ntable-length: 1000\n1000: size=1M\n",
		"MBR":               "label: dos\nsize=8M, type=c, bootable\nsize=8M, type=7\n4: type=83\n",
		"MBR with logical":  "label: dos\nsize=4M, type=83\nsize=40M, type=5\nsize=4M, type=fd\ntype=82\nsize=4M, type=83\nsize=4M, type=8e\nsize=4M, type=42\nsize=4M, type=b\n",
		"MBR, empty":        "label: dos\n",
	} {
		t.Run(name, func(t *testing.T) {
			disk, want := sfdisk(t, script)
			if got := partitions(t, disk); !reflect.DeepEqual(got, want) {
				t.Errorf("got\n%+v\nsfdisk says\n%+v", got, want)
			}
		})
	}
}

// gptDisk has two partitions, made by hand.
func gptDisk(t testing.TB) []byte {
	t.Helper()
	const sectors = 2048
	disk := make([]byte, sectors*512)
	copy(disk, mbr(t, "00 00 02 00 ee ff ff ff  01 00 00 00 ff ff ff ff", ""))
	entries := make([]byte, 128*128)
	for i, e := range []struct{ start, last uint64 }{{64, 127}, {128, 2000}} {
		b := entries[128*i:]
		copy(b, unhex(t, "af 3d c6 0f 83 84 72 47 8e 79 3d 69 d8 47 7d e4"))
		b[16] = byte(i + 1)
		binary.LittleEndian.PutUint64(b[32:], e.start)
		binary.LittleEndian.PutUint64(b[40:], e.last)
		copy(b[56:], unhex(t, "72 00 1b 00 74 00")) // an escape in the name
	}
	put := func(at, other, where uint64) {
		h := disk[at*512:][:512]
		copy(h, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
		for off, v := range map[int]uint64{24: at, 32: other, 40: 34, 48: sectors - 34, 72: where, 80: 128 | 128<<32, 88: uint64(crc32.ChecksumIEEE(entries))} {
			binary.LittleEndian.PutUint64(h[off:], v)
		}
		copy(disk[where*512:], entries)
		sealGPT(h)
	}
	put(1, sectors-1, 2)
	put(sectors-1, 1, sectors-33)
	return disk
}

// sealGPT makes the checksum of a header right.
func sealGPT(h []byte) {
	clear(h[16:20])
	size := min(binary.LittleEndian.Uint32(h[12:]), 512)
	binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:size]))
}

func TestGPTCopies(t *testing.T) {
	want := []Partition{
		{1, "r?t", "Linux filesystem", 64 * 512, 64 * 512, "00000001-0000-0000-0000-000000000000"},
		{2, "r?t", "Linux filesystem", 128 * 512, 1873 * 512, "00000002-0000-0000-0000-000000000000"},
	}
	disk := gptDisk(t)
	if got := partitions(t, disk); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	for _, at := range []int{512, 512 + 16, 512 + 24, 1024 + 5} {
		hurt := bytes.Clone(disk)
		hurt[at] ^= 1
		if got := partitions(t, hurt); !reflect.DeepEqual(got, want) {
			t.Errorf("hurt at %d: %+v", at, got)
		}
		hurt[2047*512+16] ^= 1
		if got, err := Partitions(bytes.NewReader(hurt), int64(len(hurt))); err == nil || !strings.Contains(err.Error(), "so is its copy") {
			t.Errorf("hurt at %d and in the copy: %+v, %v", at, got, err)
		}
	}
}

// TestGPTLies: headers with right checksums that ask for too much.
func TestGPTLies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		off   int
		value uint64
	}{
		{"no entries at all", 80, 0},
		{"entries of 0 bytes", 80, 128},
		{"2^64 bytes of entries", 80, 1<<64 - 1},
		{"entries beyond the disk", 72, 1 << 62},
		{"entries beyond the end", 72, 2047},
		{"header of 0 bytes", 8, 0x10000},
		{"header of 2^32 bytes", 8, 0xffffffff<<32 | 0x10000},
	} {
		disk := gptDisk(t)
		binary.LittleEndian.PutUint64(disk[512+tt.off:], tt.value)
		sealGPT(disk[512:1024])
		if got := partitions(t, disk); len(got) != 2 { // by the copy
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestPartitionsCutOff(t *testing.T) {
	disk := mbr(t, "80 00 00 00 83 00 00 00  02 00 00 00 ff ff ff ff", "")
	disk = append(disk, make([]byte, 8*512)...)
	copy(disk[446+16:], unhex(t, "00 00 00 00 83 00 00 00  ff ff ff ff ff ff ff ff"))
	want := []Partition{{1, "", "Linux", 1024, 8 * 512, ""}}
	if got := partitions(t, disk); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// TestRingOfLogical: extended records that name each other.
func TestRingOfLogical(t *testing.T) {
	disk := append(mbr(t, "00 00 00 00 05 00 00 00  02 00 00 00 0a 00 00 00", ""), make([]byte, 16*512)...)
	for _, at := range []int{2, 4, 6} {
		e := mbr(t, "00 00 00 00 83 00 00 00  01 00 00 00 01 00 00 00", "")
		next := map[int]byte{2: 2, 4: 4, 6: 2}[at] // from the first: 4, 6, 4, 6 …
		copy(e[446+16:], []byte{0, 0, 0, 0, 5, 0, 0, 0, next, 0, 0, 0, 1, 0, 0, 0})
		copy(disk[at*512:], e[:512])
	}
	if got := partitions(t, disk); len(got) != maxLogical {
		t.Errorf("%d partitions", len(got))
	}
}

func TestNoTable(t *testing.T) {
	fat := mbr(t, "80 00 00 00 83 00 00 00  00 08 00 00 00 10 00 00", "")
	copy(fat[54:], "FAT16   ")
	for name, disk := range map[string][]byte{"zeros": make([]byte, 4096), "one sector": make([]byte, 512), "nothing": nil, "FAT": fat} {
		if got := partitions(t, disk); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, err := Partitions(bytes.NewReader(nil), 1<<20); err == nil {
		t.Error("a disk that cannot be read has no partitions")
	}
}

func FuzzPartitions(f *testing.F) {
	f.Add(gptDisk(f)[:34*512], true)
	f.Add(append(mbr(f, "00 00 00 00 05 00 00 00  02 00 00 00 0a 00 00 00", ""), make([]byte, 4096)...), false)
	f.Fuzz(func(t *testing.T, disk []byte, sealed bool) {
		if sealed && len(disk) >= 1024 {
			sealGPT(disk[512:1024])
		}
		size := int64(len(disk)) / 512 * 512
		parts, err := Partitions(bytes.NewReader(disk), size)
		for _, p := range parts {
			if p.Start < 0 || p.Size <= 0 || p.Size > size-p.Start || p.Number < 1 || err != nil {
				t.Fatalf("%+v, %v in a disk of %d", p, err, size)
			}
		}
	})
}
