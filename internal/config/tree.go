package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/printer"
)

// parseTree returns the one document of a file; nil for an empty one. Keys
// given twice pass here: the reader reports them beside all other faults.
func parseTree(name string, b []byte) (root ast.Node, err error) {
	if !utf8.Valid(b) {
		return nil, notUTF8(name, b)
	}
	f, err := parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(name, err)
	}
	var docs []*ast.DocumentNode
	for _, d := range f.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			docs = append(docs, d)
		}
	}
	switch len(docs) {
	case 0:
		return nil, nil
	case 1:
		return docs[0].Body, nil
	}
	line, col := place(docs[1].Body)
	return nil, &SyntaxError{File: name, Line: line, Column: col, What: `a second document begins; take out the line "---"`}
}

// notUTF8 points at the first byte that is no UTF-8.
func notUTF8(name string, b []byte) error {
	good := 0
	for good < len(b) {
		r, n := utf8.DecodeRune(b[good:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		good += n
	}
	line := b[bytes.LastIndexByte(b[:good], '\n')+1 : good]
	return &SyntaxError{
		File: name, Line: 1 + bytes.Count(b[:good], []byte{'\n'}), Column: 1 + utf8.RuneCount(line),
		What: "a byte here is not UTF-8; save the file in that encoding",
	}
}

func syntaxError(name string, err error) error {
	s := &SyntaxError{File: name, Line: 1, Column: 1, What: err.Error()}
	var ye yaml.Error
	if errors.As(err, &ye) {
		s.What = ye.GetMessage()
		if strings.Contains(s.What, "character '\t'") {
			s.What = "a tab begins this line; indent with spaces"
		}
		if t := ye.GetToken(); t != nil && t.Position != nil {
			s.Line, s.Column = t.Position.Line, t.Position.Column
			var p printer.Printer
			s.Excerpt = strings.TrimRight(p.PrintErrorToken(t, false), " \n")
		}
	}
	return s
}

func place(n ast.Node) (line, column int) {
	if ps, ok := pairs(n); ok && len(ps) > 0 {
		n = ps[0].Key // a block's own token is its first colon
	}
	if n != nil {
		if t := n.GetToken(); t != nil && t.Position != nil {
			return t.Position.Line, t.Position.Column
		}
	}
	return 1, 1
}

// kind names a node's sort in words that an admin knows.
func kind(n ast.Node) string {
	switch n.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "a block of keys"
	case ast.SequenceType:
		return "a list"
	case ast.AliasType, ast.AnchorType, ast.TagType, ast.MergeKeyType:
		return fmt.Sprintf("%q", n.GetToken().Value)
	case ast.NullType:
		return "empty"
	}
	return fmt.Sprintf("%.60q", n.String())
}
