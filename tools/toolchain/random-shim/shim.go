// Package shim hands out the Terraform provider "random". It lies in an internal
// package, which only a module whose path begins like its own may import: hence
// the name of this module.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"
	random "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider returns the upstream provider, unchanged.
func NewProvider() provider.Provider { return random.New() }
