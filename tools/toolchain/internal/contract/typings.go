package contract

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// typings holds the declarations of an npm SDK: the type of each property, in
// TypeScript, by interface or class and by name. A name ends in "?" where the
// property may be absent.
type typings map[string]map[string]string

var (
	comment     = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	declaration = regexp.MustCompile(`export (?:declare )?(?:interface|class) (\w+)[^{]*\{`)
	member      = regexp.MustCompile(`^(?:readonly )?(\w+\??): (.+)$`)
)

// readTypings reads the declarations of a package. Those of `types/input.d.ts` and
// `types/output.d.ts` are called as the others refer to them, "inputs.X" and "outputs.X".
func readTypings(t *testing.T, folder string) typings {
	t.Helper()
	found := typings{}
	files, err := filepath.Glob(filepath.Join(folder, "*.d.ts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		found.read(t, file, "")
	}
	found.read(t, filepath.Join(folder, "types", "input.d.ts"), "inputs.")
	found.read(t, filepath.Join(folder, "types", "output.d.ts"), "outputs.")
	return found
}

func (found typings) read(t *testing.T, file, prefix string) {
	t.Helper()
	bytes, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return // a package without nested types
	}
	if err != nil {
		t.Fatal(err)
	}
	source := strings.Join(strings.Fields(comment.ReplaceAllString(string(bytes), "")), " ")
	// A namespace holds what is of no resource: the package's own configuration.
	source, _, _ = strings.Cut(source, "export declare namespace ")
	for _, match := range declaration.FindAllStringSubmatchIndex(source, -1) {
		properties := map[string]string{}
		for _, statement := range statements(source[match[1]:]) {
			if parts := member.FindStringSubmatch(statement); parts != nil {
				name, kind := parts[1], parts[2]
				if strings.Contains(kind, "| undefined>") && !strings.HasSuffix(name, "?") {
					name += "?"
				}
				properties[name] = kind
			}
		}
		found[prefix+source[match[2]:match[3]]] = properties
	}
}

// statements splits a body at its own semicolons, up to the brace that ends it.
func statements(body string) []string {
	var found []string
	depth, start := 0, 0
	for i, c := range body {
		switch {
		case c == '}' && depth == 0:
			return found
		case c == ';' && depth == 0:
			found = append(found, strings.TrimSpace(body[start:i]))
			start = i + 1
		case strings.ContainsRune("{([", c):
			depth++
		case strings.ContainsRune("})]", c):
			depth--
		}
	}
	return found
}

// lines lists the leaves of a declaration, sorted: the path of each and its type.
func (found typings) lines(name string) []string {
	var lines []string
	for property, kind := range found[name] {
		lines = append(lines, found.leaves(property, kind)...)
	}
	slices.Sort(lines)
	return lines
}

func (found typings) leaves(path, kind string) []string {
	kind = unwrap(kind)
	if element, isList := strings.CutSuffix(kind, "[]"); isList {
		return found.leaves(path+"[]", element)
	}
	if _, value, isMap := strings.Cut(kind, "[key: string]: "); isMap {
		return found.leaves(path+"{}", strings.TrimRight(value, "; }"))
	}
	properties, isNested := found[kind]
	if !isNested {
		return []string{path + ": " + kind}
	}
	var lines []string
	for property, inner := range properties {
		lines = append(lines, found.leaves(path+"."+property, inner)...)
	}
	return lines
}

// unwrap takes off what says how a value is passed, not what it is.
func unwrap(kind string) string {
	for {
		before := kind
		kind = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kind), "| undefined"))
		for _, wrapper := range []string{"pulumi.Input<", "pulumi.Output<"} {
			if inner, isWrapped := strings.CutPrefix(kind, wrapper); isWrapped && strings.HasSuffix(inner, ">") {
				kind = strings.TrimSuffix(inner, ">")
			}
		}
		if kind == before {
			return kind
		}
	}
}
