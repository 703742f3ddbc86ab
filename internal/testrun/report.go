package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The report is short: CI shows some forty lines.
const (
	mostTests  = 8   // failed tests that are told of
	mostErrors = 2   // of each
	mostFaults = 6   // of packages
	widest     = 220 // characters of a line
)

// report is what is remembered of the output of go test.
type report struct {
	mu      sync.Mutex
	current string              // the test that lines belong to
	running map[string]bool     // with -v
	errors  map[string][]string // first lines of what tests say, without logs
	failed  []string            // tests, in the order of their ends
	faults  []string            // of packages: panics, what was not built
	panics  bool                // lines follow that name the tests that ran
	isLog   func(file string, line int) bool
}

func newReport() *report {
	return &report{running: map[string]bool{}, errors: map[string][]string{}, isLog: logs{}.at}
}

var (
	state = regexp.MustCompile(`^=== (RUN|PAUSE|CONT|NAME)\s+(\S*)$`)
	ended = regexp.MustCompile(`^\s*--- (PASS|FAIL|SKIP): (\S+) \(`)
	said  = regexp.MustCompile(`^\s+([\w.-]+\.go):(\d+): (.*)$`)
	// Of a package: a build's errors, a panic, and go test's last word.
	fault = regexp.MustCompile(`^(panic: .*|fatal error: .*|FAIL\t.*\[.*|.+\.go:\d+:\d+: .*|go: .*)$`)
	ran   = regexp.MustCompile(`^\t\t(\S+ \(.*\))$`)
)

// read copies the output and remembers what matters.
func (r *report) read(in *bufio.Reader, out io.Writer) {
	for {
		line, err := in.ReadString('\n')
		_, _ = io.WriteString(out, line)
		r.line(strings.TrimRight(line, "\r\n"))
		if err != nil {
			return
		}
	}
}

func (r *report) line(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := state.FindStringSubmatch(s); m != nil {
		r.current = m[2]
		if m[1] != "NAME" && m[2] != "" {
			r.running[m[2]] = m[1] != "PAUSE"
		}
		return
	}
	if m := ended.FindStringSubmatch(s); m != nil {
		r.current = m[2]
		delete(r.running, m[2])
		if m[1] == "FAIL" {
			r.failed = append(r.failed, m[2])
		}
		return
	}
	if m := said.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[2])
		if r.current != "" && !r.isLog(m[1], n) {
			r.errors[r.current] = append(r.errors[r.current], strings.TrimSpace(s))
		}
		return
	}
	if m := ran.FindStringSubmatch(s); m != nil && r.panics {
		r.faults = append(r.faults, "ran then: "+m[1])
	} else if fault.MatchString(s) {
		r.panics = r.panics || strings.HasPrefix(s, "panic: ")
		r.faults = append(r.faults, s)
	}
}

// text is the report.
func (r *report) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := new(strings.Builder)
	fmt.Fprintln(b, "\nIn short, what failed:")
	faults := r.faults
	for test, runs := range r.running {
		if runs && !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, "ran then: "+test+" ") }) {
			faults = append(faults, "did not end: "+test)
		}
	}
	slices.Sort(faults[len(r.faults):])
	put(b, "", faults, mostFaults)
	leaves := r.leaves()
	for i, test := range leaves {
		if i == mostTests {
			fmt.Fprintf(b, "  and %d more tests\n", len(leaves)-i)
			break
		}
		fmt.Fprintf(b, "  %s\n", test)
		put(b, "  ", r.errors[test], mostErrors)
	}
	if len(leaves)+len(faults) == 0 {
		fmt.Fprintln(b, "  no test; see above")
	}
	return b.String()
}

// leaves are the failed tests but those of which nothing is known than that one of
// their subtests failed.
func (r *report) leaves() (leaves []string) {
	for _, test := range r.failed {
		parent := slices.ContainsFunc(r.failed, func(f string) bool { return strings.HasPrefix(f, test+"/") })
		if !parent || len(r.errors[test]) > 0 {
			leaves = append(leaves, test)
		}
	}
	return leaves
}

// put writes some of the lines, and how many more there are.
func put(b *strings.Builder, indent string, lines []string, most int) {
	for i, l := range lines {
		if i == most {
			fmt.Fprintf(b, "%s  and %d more\n", indent, len(lines)-i)
			return
		}
		if len(l) > widest {
			l = strings.ToValidUTF8(l[:widest], "") + "…"
		}
		fmt.Fprintf(b, "%s  %s\n", indent, l)
	}
}

// logs tells what a test only notes from what it fails with: both look alike in the
// output, but for the line of source that they name. It maps the base name of a Go
// file of this module to its lines.
type logs map[string][]string

var notes = regexp.MustCompile(`\.Logf?\(`)

func (l logs) at(file string, line int) bool {
	if len(l) == 0 {
		l.find(".")
	}
	lines := l[file]
	return line <= len(lines) && notes.MatchString(lines[line-1])
}

// find reads the sources. Of files of the same name it keeps lines that note
// something in either.
func (l logs) find(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil // as if it noted nothing
		}
		lines := l[d.Name()]
		for i, text := range strings.Split(string(b), "\n") {
			switch {
			case i >= len(lines):
				lines = append(lines, text)
			case notes.MatchString(text):
				lines[i] = text
			}
		}
		l[d.Name()] = lines
		return nil
	})
}
