package iscsi

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bootes.dev/internal/block"
)

// qemuDisk names the disk to QEMU's own iSCSI driver.
func qemuDisk(addr, digest string) string {
	return "driver=raw,file.driver=iscsi,file.transport=tcp,file.portal=" + addr + ",file.target=" + testTarget +
		",file.lun=0,file.user=" + testUser + ",file.password=" + testSecret +
		",file.initiator-name=" + testInitiator + ",file.header-digest=" + digest
}

// qemuFile names a file to it.
func qemuFile(format, path string) string {
	return "driver=" + format + ",file.driver=file,file.filename=" + path
}

func qemuImg(t *testing.T, args ...string) {
	t.Helper()
	if out, err := tool(t, "qemu-img", args...); err != nil || strings.Contains(out, "failed") {
		t.Fatalf("qemu-img %q: %v\n%s", args, err, out)
	}
}

// TestQEMUImg copies a disk to and fro, has QEMU compare it, and writes by many
// commands at once.
func TestQEMUImg(t *testing.T) {
	for _, digest := range []string{"none", "crc32c"} {
		t.Run(digest, func(t *testing.T) {
			t.Parallel()
			disk := newVolume(t, 64<<20, 32<<20)
			_, addr := serve(t, Options{Authority: newAuthority(disk)})
			lun := qemuDisk(addr, digest)
			data := testQEMUConvert(t, disk, lun)
			testQEMUBench(t, disk, lun, data)
		})
	}
}

// testQEMUConvert returns what it leaves on the disk.
func testQEMUConvert(t *testing.T, disk block.Device, lun string) []byte {
	dir := t.TempDir()
	was, plain, packed, back := filepath.Join(dir, "was"), filepath.Join(dir, "plain"), filepath.Join(dir, "packed"), filepath.Join(dir, "back")
	data := random(int(disk.Size()))
	clear(data[8<<20 : 16<<20])
	if err := os.WriteFile(plain, data, 0o600); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, "convert", "--image-opts", "-O", "raw", lun, was)
	qemuImg(t, "compare", "--image-opts", lun, qemuFile("raw", was))
	qemuImg(t, "convert", "-f", "raw", "-O", "qcow2", plain, packed)
	qemuImg(t, "convert", "-n", "--image-opts", "--target-image-opts", qemuFile("qcow2", packed), lun)
	wantOnDisk(t, disk, data)
	qemuImg(t, "compare", "--image-opts", lun, qemuFile("raw", plain))
	if out, err := tool(t, "qemu-img", "compare", "--image-opts", lun, qemuFile("raw", was)); err == nil || !strings.Contains(out, "Content mismatch") {
		t.Errorf("the disk is what it was: %q (%v)", out, err)
	}
	qemuImg(t, "convert", "--image-opts", "-O", "raw", lun, back)
	if got, err := os.ReadFile(back); err != nil || !bytes.Equal(got, data) {
		t.Errorf("what came back is something else (%v)", err)
	}
	return data
}

// testQEMUBench works on a disk that holds data.
func testQEMUBench(t *testing.T, disk block.Device, lun string, data []byte) {
	qemuImg(t, "bench", "-w", "--pattern=90", "-c", "2000", "-d", "32", "-s", "4096", "-S", "8192", "--flush-interval=100",
		"-t", "none", "--image-opts", lun)
	for i := range 2000 {
		copy(data[i*8192:], bytes.Repeat([]byte{90}, 4096))
	}
	wantOnDisk(t, disk, data)
	qemuImg(t, "bench", "-c", "1000", "-d", "32", "-s", "65536", "-o", "512", "-t", "none", "--image-opts", lun)
}

func wantOnDisk(t *testing.T, disk block.Device, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := disk.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the disk holds something else (%v)", err)
	}
}
