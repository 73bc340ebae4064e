// Command pulumi-resource-docker is a stand-in for the official plugin of that
// name: the same upstream provider behind the same bridge.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"litellm-gateway/toolchain/internal/version"
)

func main() {
	tfbridge.Main("docker", version.Docker, info(),
		fmt.Appendf(nil, `{"name":"docker","version":%q}`, version.Docker))
}
