// Command alloy-syntax reads an Alloy configuration from stdin and prints its blocks, one a line: the name
// with the label, and the references in it. It exits with 1 if the syntax is wrong.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/grafana/alloy/syntax/ast"
	"github.com/grafana/alloy/syntax/parser"
)

// references finds the names in dotted expressions, such as prometheus.remote_write.cloud.receiver.
type references struct{ found []string }

func (r *references) Visit(node ast.Node) ast.Visitor {
	switch node := node.(type) {
	case *ast.AccessExpr:
		r.found = append(r.found, dotted(node))
		return nil
	}
	return r
}

func dotted(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.AccessExpr:
		return dotted(expr.Value) + "." + expr.Name.Name
	case *ast.IdentifierExpr:
		return expr.Ident.Name
	}
	return "?"
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	file, err := parser.ParseFile("config.alloy", text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, statement := range file.Body {
		block, ok := statement.(*ast.BlockStmt)
		if !ok {
			continue
		}
		refs := &references{}
		ast.Walk(refs, block)
		fmt.Println(strings.Join(block.Name, ".")+"."+block.Label, strings.Join(refs.found, " "))
	}
}
