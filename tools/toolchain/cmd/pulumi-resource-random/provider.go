package main

import (
	"context"

	pf "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-random/shim"

	"litellm-gateway/toolchain/internal/strict"
	"litellm-gateway/toolchain/internal/version"
)

// info maps the upstream provider to the tokens and property names of @pulumi/random.
func info() tfbridge.ProviderInfo {
	p := tfbridge.ProviderInfo{
		P:              pf.ShimProvider(shim.NewProvider()),
		Name:           "random",
		Version:        version.Random,
		ResourcePrefix: "random",
		MetadataInfo:   tfbridge.NewProviderMetadata([]byte("{}")),
		Resources: map[string]*tfbridge.ResourceInfo{
			"random_bytes":    randomBytes(),
			"random_id":       {Tok: token("RandomId")},
			"random_integer":  {Tok: token("RandomInteger")},
			"random_password": {Tok: token("RandomPassword")},
			"random_pet":      {Tok: token("RandomPet")},
			"random_shuffle": {
				Tok:    token("RandomShuffle"),
				Fields: map[string]*tfbridge.SchemaInfo{"input": {Name: "inputs"}, "result": {Name: "results"}},
			},
			"random_string": {Tok: token("RandomString")},
			"random_uuid":   {Tok: token("RandomUuid")},
			"random_uuid4":  {Tok: token("RandomUuid4")},
			"random_uuid7":  {Tok: token("RandomUuid7")},
		},
	}
	strict.RefuseUnknownProperties(&p)
	return p
}

func token(name string) tokens.Type { return tfbridge.MakeResource("random", "index", name) }

// randomBytes needs an id of its own: the upstream resource has none, and each of
// its properties that could serve as one is secret.
func randomBytes() *tfbridge.ResourceInfo {
	return &tfbridge.ResourceInfo{
		Tok:       token("RandomBytes"),
		ComputeID: func(context.Context, resource.PropertyMap) (resource.ID, error) { return "none", nil },
	}
}
