package httpboot

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"bootes.dev/internal/netif/nettest"
)

func TestCurl(t *testing.T) {
	nettest.Need(t, "curl")
	root := folder(t, map[string]string{"disc.iso": strings.Repeat("0123456789abcdef", 1<<16), "pool/a.deb": "deb"})
	base := serve(t, Options{Mirrors: map[string]*os.Root{"m": root}}) + "/files/m/"
	for _, tt := range []struct{ args, want string }{
		{"-r 16-20 BASE/disc.iso", "01234"},
		{"-r -3 BASE/disc.iso", "def"},
		{"-o /dev/null -w %{http_code}:%{size_download}:%{content_type} BASE/disc.iso", "200:1048576:application/vnd.efi-iso"},
		{"-I -o /dev/null -w %{http_code}:%header{content-length} BASE/disc.iso", "200:1048576"},
		{"-L BASE/pool/a.deb", "deb"},
		{"-L -o /dev/null -w %{num_redirects}:%{url_effective} BASE/pool", "1:BASE/pool/"},
		{"-o /dev/null -o /dev/null -w %{num_connects} BASE/disc.iso BASE/pool/a.deb", "10"}, // one connection for both
		{"-T /etc/hostname -o /dev/null -w %{http_code} BASE/new", "413"},
		{"--path-as-is BASE/../../../etc/passwd -o /dev/null -w %{http_code}", "307"},
		{"--path-as-is BASE/..%2f..%2f..%2fetc%2fpasswd -o /dev/null -w %{http_code}", "404"},
	} {
		args := strings.Fields(strings.ReplaceAll(tt.args, "BASE", strings.TrimSuffix(base, "/")))
		out, err := exec.CommandContext(t.Context(), "curl", append([]string{"-sS"}, args...)...).CombinedOutput()
		if want := strings.ReplaceAll(tt.want, "BASE", strings.TrimSuffix(base, "/")); err != nil || string(out) != want {
			t.Errorf("curl %s: %v: %q, want %q", tt.args, err, out, want)
		}
	}
}
