// Package strict makes a bridged provider refuse properties it does not know. The
// bridge drops them without a word, and a resource would then lack what its author
// believes it has.
package strict

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// RefuseUnknownProperties sets a check on every resource of p.
func RefuseUnknownProperties(p *tfbridge.ProviderInfo) {
	for name, r := range p.Resources {
		known := pulumiNames(p.P.ResourcesMap().Get(name).Schema(), r.Fields)
		r.PreCheckCallback = checkNames(string(r.Tok), known)
	}
}

// pulumiNames lists properties as Pulumi calls them, sorted.
func pulumiNames(schema shim.SchemaMap, fields map[string]*tfbridge.SchemaInfo) []string {
	var names []string
	schema.Range(func(key string, _ shim.Schema) bool {
		// Every resource has an id; it is no property in Pulumi's eyes.
		if key != "id" {
			names = append(names, tfbridge.TerraformToPulumiNameV2(key, schema, fields))
		}
		return true
	})
	slices.Sort(names)
	return names
}

func checkNames(token string, known []string) tfbridge.PreCheckCallback {
	return func(_ context.Context, inputs, _ resource.PropertyMap) (resource.PropertyMap, error) {
		for key := range inputs {
			// The bridge's own bookkeeping begins with two underscores.
			if name := string(key); !strings.HasPrefix(name, "__") && !slices.Contains(known, name) {
				return nil, fmt.Errorf("%s has no property %q; it has %s", token, name, strings.Join(known, ", "))
			}
		}
		return inputs, nil
	}
}
