package contract

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// shape lists the leaves of properties in the words of typings.
type shape struct {
	types map[string]schema.ComplexTypeSpec
	// isOutput says that this is what a program gets. What the plugin computes is
	// always there, though a program may leave it out.
	isOutput bool
}

func (s shape) lines(t *testing.T, properties map[string]schema.PropertySpec, required []string) []string {
	t.Helper()
	var lines []string
	for name, property := range properties {
		lines = append(lines, s.leaves(t, markOptional(name, required), property.TypeSpec)...)
	}
	slices.Sort(lines)
	return lines
}

func (s shape) leaves(t *testing.T, path string, kind schema.TypeSpec) []string {
	t.Helper()
	nested, isNested := s.types[strings.TrimPrefix(kind.Ref, "#/types/")]
	switch {
	case isNested:
		var lines []string
		required := s.requiredOf(t, nested)
		for name, property := range nested.Properties {
			lines = append(lines, s.leaves(t, path+"."+markOptional(name, required), property.TypeSpec)...)
		}
		return lines
	case kind.Type == "array":
		return s.leaves(t, path+"[]", *kind.Items)
	case kind.Type == "object":
		return s.leaves(t, path+"{}", *kind.AdditionalProperties)
	case kind.Type == "integer":
		return []string{path + ": number"}
	default:
		return []string{path + ": " + kind.Type}
	}
}

// requiredOf lists what is always there. Where that differs between what is given and
// what is got, the generator of the SDK is told so apart.
func (s shape) requiredOf(t *testing.T, nested schema.ComplexTypeSpec) []string {
	t.Helper()
	var differs struct{ RequiredInputs, RequiredOutputs *[]string }
	if nodejs, has := nested.Language["nodejs"]; has {
		if err := json.Unmarshal(nodejs, &differs); err != nil {
			t.Fatal(err)
		}
	}
	switch {
	case s.isOutput && differs.RequiredOutputs != nil:
		return *differs.RequiredOutputs
	case !s.isOutput && differs.RequiredInputs != nil:
		return *differs.RequiredInputs
	default:
		return nested.Required
	}
}

func markOptional(name string, required []string) string {
	if slices.Contains(required, name) {
		return name
	}
	return name + "?"
}
