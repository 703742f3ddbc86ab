package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	for name, tt := range map[string]struct{ out, want string }{
		"subtests, with -v": {`=== RUN   TestRoom
    room_test.go:1: a note
=== RUN   TestRoom/a
=== PAUSE TestRoom/a
=== RUN   TestRoom/b
    room_test.go:2: bad
        and its second line
=== CONT  TestRoom/a
    room_test.go:1: another note
    room_test.go:3: worse
    room_test.go:3: worst
    room_test.go:3: and so on
--- FAIL: TestRoom (1.00s)
    --- FAIL: TestRoom/a (0.10s)
    --- FAIL: TestRoom/b (0.10s)
FAIL
FAIL	bootes.dev/e2e	1.2s
`, `  TestRoom/a
    room_test.go:3: worse
    room_test.go:3: worst
    and 1 more
  TestRoom/b
    room_test.go:2: bad
`},
		"without -v": {`ok  	bootes.dev/a	0.1s
--- FAIL: TestA (0.00s)
    a_test.go:7: bad
    --- FAIL: TestA/sub (0.00s)
        a_test.go:9: also
FAIL
`, `  TestA
    a_test.go:7: bad
  TestA/sub
    a_test.go:9: also
`},
		"time is up": {`=== RUN   TestDone
--- PASS: TestDone (0.00s)
=== RUN   TestWaits
=== PAUSE TestWaits
=== RUN   TestHangs
panic: test timed out after 45m0s
	running tests:
		TestHangs (44m1s)

goroutine 1 [running]:
FAIL	bootes.dev/e2e	2703.819s
`, `  panic: test timed out after 45m0s
  ran then: TestHangs (44m1s)
`},
		"killed": {`=== RUN   TestHangs
FAIL	bootes.dev/e2e	9s
`, `  did not end: TestHangs
`},
		"not built": {`# bootes.dev/internal/lab
internal/lab/net.go:7:2: undefined: x
FAIL	bootes.dev/internal/lab [build failed]
`, `  internal/lab/net.go:7:2: undefined: x
  FAIL	bootes.dev/internal/lab [build failed]
`},
		"something else": {"exit status 2\n", "  no test; see above\n"},
	} {
		t.Run(name, func(t *testing.T) {
			r, passed := newReport(), new(bytes.Buffer)
			r.isLog = func(file string, line int) bool { return file == "room_test.go" && line == 1 }
			r.read(bufio.NewReader(strings.NewReader(tt.out)), passed)
			if passed.String() != tt.out {
				t.Errorf("of the output is left %q", passed)
			}
			if want := "\nIn short, what failed:\n" + tt.want; r.text() != want {
				t.Errorf("it says%s\nwant%s", r.text(), want)
			}
		})
	}
}

func TestReportIsShort(t *testing.T) {
	r := newReport()
	for n := range 100 {
		r.line(fmt.Sprintf("panic: %d", n))
		r.line(fmt.Sprintf("--- FAIL: Test%d (0.00s)", n))
		for range 9 {
			r.line("    no_test.go:1: " + strings.Repeat("é", 1000))
		}
	}
	text := r.text()
	if n := strings.Count(text, "\n"); n > 42 || !strings.Contains(text, "  and 94 more\n") || !strings.HasSuffix(text, "  and 92 more tests\n") {
		t.Errorf("%d lines:\n%s", n, text)
	}
	for l := range strings.Lines(text) {
		if len(l) > widest+20 {
			t.Errorf("a line has %d characters", len(l))
		}
	}
}

// TestRun has go test run a module with a test that fails and one that panics.
func TestRun(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod":         "module x\n\ngo 1.26\n",
		"good/x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestGood(t *testing.T) {}\n",
		"bad/y_test.go": "package x\n\nimport (\n\t\"testing\"\n\t\"time\"\n)\n\nfunc TestBad(t *testing.T) {\n" +
			"\tt.Log(\"a note\")\n\tt.Error(\"an error\")\n}\n\nfunc TestHangs(t *testing.T) { time.Sleep(time.Hour) }\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if code := run([]string{"./good"}, &out, &errs); code != 0 || strings.Contains(out.String(), "In short") {
		t.Errorf("of a good test: %d, %s%s", code, &out, &errs)
	}
	out.Reset()
	code := run([]string{"-timeout", "1s", "./bad"}, &out, &errs)
	_, text, _ := strings.Cut(out.String(), "\nIn short, what failed:\n")
	for _, want := range []string{"  panic: test timed out after 1s\n", "  ran then: TestHangs (1s)\n", "  TestBad\n    y_test.go:10: an error\n"} {
		if code != 1 || !strings.Contains(text, want) || strings.Contains(text, "note") {
			t.Errorf("of bad tests: %d, %s%s\nwant %s", code, &out, &errs, want)
		}
	}
}
