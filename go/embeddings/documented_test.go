package embeddings_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// directory is where this package lies, before anything changes the working directory.
var directory, _ = os.Getwd()

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, name := range []string{"embeddings", "server", "sqliteext"} {
		files, err := filepath.Glob(filepath.Join(directory, "..", name, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(name, err)
		}
		packageDoc := false
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			packageDoc = packageDoc || parsed.Doc != nil
			for _, declaration := range parsed.Decls {
				for _, undocumented := range undocumented(declaration) {
					t.Errorf("%s: %s has no comment", set.Position(undocumented.Pos()), undocumented.Name)
				}
			}
		}
		if !packageDoc {
			t.Errorf("package %s has no page", name)
		}
	}
}

// undocumented gives the exported names of a declaration that no comment is about.
func undocumented(declaration ast.Decl) (names []*ast.Ident) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || exportedReceiver(d.Recv)) {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					names = append(names, s.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						names = append(names, name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(receiver *ast.FieldList) bool {
	expression := receiver.List[0].Type
	if star, ok := expression.(*ast.StarExpr); ok {
		expression = star.X
	}
	name, ok := expression.(*ast.Ident)
	return ok && name.IsExported()
}
