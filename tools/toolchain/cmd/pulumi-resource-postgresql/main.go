// Command pulumi-resource-postgresql is a stand-in for the official plugin of that
// name, for the resources of package postgresql.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"litellm-gateway/toolchain/internal/version"
)

func main() {
	tfbridge.Main("postgresql", version.Postgresql, info(),
		fmt.Appendf(nil, `{"name":"postgresql","version":%q}`, version.Postgresql))
}
