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

var copies = append([]copied{
	{to: "config.go", from: "../sdk/config.go", in: inSequence},
	{to: "config_test.go", from: "../sdk/config_test.go", in: slices.Concat(logger, inSequence)},
	{to: "logger.go", from: "../sdk/logger.go", in: logger},
	{to: "logger_test.go", from: "../sdk/logger_test.go", in: slices.Concat(logger, []string{
		"log.NewLogger(printed, log.ColorOption(false))", "log.NewTMLogger(printed)"})},
	{to: "store.go", from: "../sdk/store.go", in: stores},
	{to: "store_trace.go", from: "../sdk/transactions.go", only: []string{"store.CacheWrapWithTrace"}, in: stores},
	{to: "messages.go", from: "../sdk/messages.go"},
	{to: "messages_test.go", from: "../sdk/messages_test.go"},
	{to: "settings.go", from: "../sdk/settings.go"},
	{to: "changes.go", from: "../sdk/writes.go", only: []string{"writes.line", "final", "order"}, in: stores},
	{to: "internal/abci1/results.go", from: "../abci/output.go", in: []string{
		"ExecTxResult", "ResponseDeliverTx", "ResponseFinalizeBlock", "ResponseEndBlock"}},
	{to: "internal/abci1/digests.go", from: "../abci/input.go",
		only: []string{"input.misbehaviorDigest", "marshalled", "digest", "noneIfEmpty"}},
}, ofExample...)

// CometBFT 0.37 hands over one transaction after the other, so nobody has to say so.
var inSequence = []string{
	`# Say true if the chain has a runner of its own for transactions that executes one after
# the other: without that, "operations" records "writes" then.
sequential = false
`, "",
	"\tsequential bool\n", "",
	"\t\tsequential: from.truth(\"sequential\", false),\n", "",
	" && !c.sequential", "",
	`		"sequential": {home, map[string]string{"HALTBOX_SEQUENTIAL": "true"}, func(c *config, err error) bool {
			return err == nil && c.sequential
		}},
		"sequential or not": {home, map[string]string{"HALTBOX_SEQUENTIAL": "maybe"}, refused("haltbox.sequential")},
`, "",
	"len(found) != 9", "len(found) != 8",
}

// Packages that have other paths.
var (
	logger   = []string{`"cosmossdk.io/log"`, `"github.com/cometbft/cometbft/libs/log"`}
	stores   = []string{"cosmossdk.io/store/", "github.com/cosmos/cosmos-sdk/store/"}
	database = []string{`dbm "github.com/cosmos/cosmos-db"`, `dbm "github.com/cometbft/cometbft-db"`}
	genesis  = []string{
		`genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"` + "\n", "",
		"*genutiltypes.AppGenesis", "*cmttypes.GenesisDoc",
		"genesis.Consensus.Validators", "genesis.Validators",
	}
)

// ofExample are the files of the example's network of nodes.
var ofExample = []copied{
	{to: "example/internal/network/judge.go", from: "../sdk/example/internal/network/judge.go"},
	{to: "example/internal/network/load.go", from: "../sdk/example/internal/network/load.go"},
	{to: "example/internal/network/network.go", from: "../sdk/example/internal/network/network.go", in: slices.Concat(genesis, []string{
		"genutiltypes.NewAppGenesisWithVersion(chainID, text)", "&cmttypes.GenesisDoc{ChainID: chainID, AppState: text}",
		"genesis.Consensus = &genutiltypes.ConsensusGenesis{Params: cmttypes.DefaultConsensusParams()}",
		"genesis.ConsensusParams = cmttypes.DefaultConsensusParams()",
	})},
	{to: "example/internal/network/node.go", from: "../sdk/example/internal/network/node.go", in: []string{
		`inAdvance  = way{name: "optimistic", stores: true, environment: []string{"HALTBOX_ENABLE=true", optimistic + "=1"}}`,
		`writesAlone = way{name: "writes", environment: []string{"HALTBOX_ENABLE=true", "HALTBOX_STORES=writes"}}`,
	}},
	{to: "example/internal/network/play.go", from: "../sdk/example/internal/network/play.go", in: slices.Concat(database, []string{
		`name: "a node with optimistic execution", victim: ahead, fail: armed(clock), cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(wrong, (*node).kill) },
		verdict: "execution differs", place: "op-write in EndBlock of bank",`,
		`name: "a node with writes alone", victim: writing, fail: armed(clock), cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(wrong, (*node).kill) },
		verdict: "state differs", place: "step-store-root of bank",`,
		"inAdvance", "writesAlone", "ahead ", "writing ", "(ahead,", "(writing,", "ahead]", "writing]",
		`"data"), nil)`, `"data"))`,
	})},
	{to: "example/internal/network/fault.go", from: "../sdk/example/internal/network/fault.go", only: []string{
		"IsNode", "Fault", "Kind", "clock", "faultFile", "work", "work.fault", "work.gas", "work.endBlock", "minter", "payees", "stake"}},
	{to: "example/process_test.go", from: "../sdk/example/start_test.go", in: slices.Concat(logger, database, genesis, []string{
		"ffi/go/sdk/example", "ffi/go/sdk47/example",
		"newChain(log.NewNopLogger(), dbm.NewMemDB(), true,", "NewApp(log.NewNopLogger(), dbm.NewMemDB(), nil, true,",
		"genutiltypes.NewAppGenesisWithVersion(chainID, n.genesis(cmttypes.NewValidatorSet([]*cmttypes.Validator{one})))",
		"&cmttypes.GenesisDoc{ChainID: chainID, AppState: n.genesis(cmttypes.NewValidatorSet([]*cmttypes.Validator{one}))}",
		`genesis.Consensus = &genutiltypes.ConsensusGenesis{
		Validators: []cmttypes.GenesisValidator{{Address: one.Address, PubKey: one.PubKey, Power: 1}},
		Params:     cmttypes.DefaultConsensusParams(),
	}`, `genesis.Validators = []cmttypes.GenesisValidator{{Address: one.Address, PubKey: one.PubKey, Power: 1}}
	genesis.ConsensusParams = cmttypes.DefaultConsensusParams()`,
		"finalized block", "executed block", `"block_app_hash":"`, `"app_hash":"`,
	}), only: []string{"TestMain", "process", "process.Write", "process.text", "process.start", "process.ended", "process.execute",
		"process.stop", "newProcess", "TestANodeRecordsWhatItExecutesAndSays"}},
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
	switch folder := path.Base(path.Dir(c.to)); folder {
	case ".":
		return "sdk47"
	case "example":
		return "main"
	default:
		return folder
	}
}

func isImport(declaration ast.Decl) bool {
	of, is := declaration.(*ast.GenDecl)
	return is && of.Tok == token.IMPORT
}

// nameOf a declaration; of several in parentheses, the first.
func nameOf(declaration ast.Decl) string {
	function, is := declaration.(*ast.FuncDecl)
	if !is {
		switch first := declaration.(*ast.GenDecl).Specs[0].(type) {
		case *ast.TypeSpec:
			return first.Name.Name
		case *ast.ValueSpec:
			return first.Names[0].Name
		}
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
