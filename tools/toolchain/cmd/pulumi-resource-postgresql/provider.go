package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/tokens"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"

	"litellm-gateway/toolchain/internal/strict"
	"litellm-gateway/toolchain/internal/version"
	"litellm-gateway/toolchain/postgresql"
)

// info maps the provider to the tokens and property names of @pulumi/postgresql.
func info() tfbridge.ProviderInfo {
	p := tfbridge.ProviderInfo{
		P:              shimv2.NewProvider(postgresql.New()),
		Name:           "postgresql",
		Version:        version.Postgresql,
		ResourcePrefix: "postgresql",
		MetadataInfo:   tfbridge.NewProviderMetadata([]byte("{}")),
		Config: map[string]*tfbridge.SchemaInfo{
			"sslmode":         {Default: &tfbridge.DefaultInfo{EnvVars: []string{"PGSSLMODE"}}},
			"connect_timeout": {Default: &tfbridge.DefaultInfo{EnvVars: []string{"PGCONNECT_TIMEOUT"}, Value: 180}},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"postgresql_role":               {Fields: map[string]*tfbridge.SchemaInfo{"search_path": {Name: "searchPaths"}}},
			"postgresql_schema":             {Fields: map[string]*tfbridge.SchemaInfo{"policy": {Name: "policies"}}},
			"postgresql_default_privileges": {Tok: tfbridge.MakeResource("postgresql", "index", "DefaultPrivileges")},
			// Created first, the new grant would be revoked by the deletion of the old one.
			"postgresql_grant": {
				Tok:                 tfbridge.MakeResource("postgresql", "index", "Grant"),
				DeleteBeforeReplace: true,
			},
		},
	}
	p.MustComputeTokens(tokens.SingleModule("postgresql_", "index", tokens.MakeStandard("postgresql")))
	p.SetAutonaming(255, "-")
	strict.RefuseUnknownProperties(&p)
	return p
}
