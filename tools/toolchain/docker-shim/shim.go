// Package shim hands out the Terraform provider "docker". It lies in an internal
// package, which only a module whose path begins like its own may import: hence
// the name of this module.
package shim

import (
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	docker "github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// NewProvider returns the upstream provider, unchanged. Its resources that are made
// with the newer plugin framework are not in it: @pulumi/docker has none of them.
func NewProvider(version string) *schema.Provider { return docker.New(version)() }
