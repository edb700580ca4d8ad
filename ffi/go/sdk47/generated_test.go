package sdk47

import (
	"bytes"
	"flag"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the files that are made of others")

// copied is a file made of another one of the modules for later releases, in which
// what is not of the SDK or of CometBFT is the same, and names of theirs are others.
type copied struct {
	to, from string
	// only are the declarations that are taken, methods by their type and name; nil for
	// all.
	only []string
	// in are pairs of texts: each first is replaced by its second.
	in []string
}

var copies = []copied{
	{to: "config.go", from: "../sdk/config.go"},
	{to: "config_test.go", from: "../sdk/config_test.go", in: []string{"cosmossdk.io/log", "github.com/cometbft/cometbft/libs/log"}},
	{to: "command.go", from: "../sdk/command.go"},
	{to: "logger.go", from: "../sdk/logger.go", in: []string{"cosmossdk.io/log\"", "github.com/cometbft/cometbft/libs/log\""}},
	{to: "logger_test.go", from: "../sdk/logger_test.go", in: []string{"cosmossdk.io/log\"", "github.com/cometbft/cometbft/libs/log\"",
		"log.NewLogger(printed, log.ColorOption(false))", "log.NewTMLogger(printed)"}},
	{to: "store.go", from: "../sdk/store.go", in: []string{"cosmossdk.io/store/", "github.com/cosmos/cosmos-sdk/store/"}},
	{to: "changes.go", from: "../sdk/writes.go", only: []string{"writes.line", "final", "order"},
		in: []string{"cosmossdk.io/store/", "github.com/cosmos/cosmos-sdk/store/"}},
	{to: "internal/abci1/results.go", from: "../abci/output.go", in: []string{
		"ExecTxResult", "ResponseDeliverTx", "ResponseFinalizeBlock", "ResponseEndBlock"}},
	{to: "internal/abci1/digests.go", from: "../abci/input.go",
		only: []string{"input.misbehaviorDigest", "marshalled", "digest", "noneIfEmpty"}},
}

// What is not of a release stands in one place: run this with -update when it changed.
func TestWhatIsCopiedIsAsItsSource(t *testing.T) {
	for _, file := range copies {
		want, err := file.made()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file.to, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file.to)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not as %s has it (%v): go test -run %s -update .", file.to, file.from, err, t.Name())
		}
	}
}

// made gives what a file has to be.
func (c copied) made() ([]byte, error) {
	source, err := os.ReadFile(c.from)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, c.from, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	used := map[string]bool{}
	for _, declaration := range parsed.Decls {
		if isImport(declaration) || c.only != nil && !slices.Contains(c.only, nameOf(declaration)) {
			continue
		}
		from := declaration.Pos()
		if comment := docOf(declaration); comment != nil {
			from = comment.Pos()
		}
		body.WriteString("\n" + string(source[files.Position(from).Offset:files.Position(declaration.End()).Offset]) + "\n")
		ast.Inspect(declaration, func(node ast.Node) bool {
			if of, is := node.(*ast.SelectorExpr); is {
				if name, is := of.X.(*ast.Ident); is {
					used[name.Name] = true
				}
			}
			return true
		})
	}
	text := "// Code generated from " + path.Base(path.Dir(c.from)) + "/" + path.Base(c.from) + "; DO NOT EDIT.\n\n" +
		"package " + c.packageName() + "\n\n" + importsOf(parsed, used) + body.String()
	return format.Source([]byte(strings.NewReplacer(c.in...).Replace(text)))
}

func (c copied) packageName() string {
	if folder := path.Base(path.Dir(c.to)); folder != "." {
		return folder
	}
	return "sdk47"
}

func isImport(declaration ast.Decl) bool {
	of, is := declaration.(*ast.GenDecl)
	return is && of.Tok == token.IMPORT
}

// nameOf a function or method.
func nameOf(declaration ast.Decl) string {
	function, is := declaration.(*ast.FuncDecl)
	if !is {
		return ""
	}
	if function.Recv == nil {
		return function.Name.Name
	}
	receiver := function.Recv.List[0].Type
	if pointer, is := receiver.(*ast.StarExpr); is {
		receiver = pointer.X
	}
	return receiver.(*ast.Ident).Name + "." + function.Name.Name
}

func docOf(declaration ast.Decl) *ast.CommentGroup {
	switch of := declaration.(type) {
	case *ast.FuncDecl:
		return of.Doc
	case *ast.GenDecl:
		return of.Doc
	}
	return nil
}

// importsOf keeps what the declarations use. Those of the standard library come first.
func importsOf(file *ast.File, used map[string]bool) string {
	var own, others []string
	for _, one := range file.Imports {
		at, _ := strconv.Unquote(one.Path.Value)
		name, line := path.Base(at), one.Path.Value
		if one.Name != nil {
			name, line = one.Name.Name, one.Name.Name+" "+line
		}
		switch {
		case !used[name]:
		case strings.Contains(at, "."):
			others = append(others, line)
		default:
			own = append(own, line)
		}
	}
	if len(own)+len(others) == 0 {
		return ""
	}
	return "import (\n" + strings.Join(own, "\n") + "\n\n" + strings.Join(others, "\n") + "\n)\n"
}
