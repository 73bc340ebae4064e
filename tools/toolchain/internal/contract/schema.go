package contract

import (
	"io"
	"testing"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
)

// Schema is what an official SDK of this plugin would be generated from.
func Schema(t *testing.T, plugin tfbridge.ProviderInfo) schema.PackageSpec {
	t.Helper()
	// The generator would read the Pulumi.yaml of this checkout.
	t.Chdir(t.TempDir())
	// It warns of each property without documentation.
	quiet := diag.DefaultSink(io.Discard, io.Discard, diag.FormatOptions{Color: colors.Never})
	spec, err := tfgen.GenerateSchema(plugin, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
