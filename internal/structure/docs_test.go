package structure_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadmeShowsTheDemosConfig(t *testing.T) {
	if !strings.Contains(read(t, "README.md"), "```yaml\n"+read(t, "demo/bootes.yaml")+"```\n") {
		t.Error("README.md does not hold demo/bootes.yaml as it is")
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^)#:]+)\)`)
	target = regexp.MustCompile("`?make ([a-z-]+)`?")
	quoted = regexp.MustCompile("`((?:internal|cmd|scripts|docs|demo|dist)/[a-z0-9/._-]+)`")
	tested = regexp.MustCompile("`(Test[A-Za-z]+)`")
)

// TestDocumentsAreTrue looks for every file, make target and test that a
// document names.
func TestDocumentsAreTrue(t *testing.T) {
	docs, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil || len(docs) < 4 {
		t.Fatalf("documents: %v, %v", docs, err)
	}
	makefile := read(t, "Makefile")
	tests := allTests(t)
	for _, path := range append(docs, filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md")) {
		name, _ := filepath.Rel(root, path)
		text := read(t, name)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(m[0], "`make") && !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names `make %s`, which the Makefile does not have", name, m[1])
			}
		}
		for _, m := range tested.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(tests, "func "+m[1]+"(") {
				t.Errorf("%s names the test %s, which is not there", name, m[1])
			}
		}
	}
}

// allTests is the text of every test file.
func allTests(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		b.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
