// Command pulumi-resource-random is a stand-in for the official plugin of that
// name: the same upstream provider behind the same bridge.
package main

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"litellm-gateway/toolchain/internal/version"
)

func main() {
	tfbridge.Main(context.Background(), "random", info(), tfbridge.ProviderMetadata{
		PackageSchema: fmt.Appendf(nil, `{"name":"random","version":%q}`, version.Random),
	})
}
