// Package postgresql is a small Terraform provider for PostgreSQL roles, databases
// and privileges. Resource types, properties, defaults and ids are those of the
// provider behind the official Pulumi plugin, so that a stack can change from the
// one to the other without a difference. What this one lacks, it refuses.
package postgresql

import (
	"context"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// New returns the provider.
func New() *schema.Provider {
	return &schema.Provider{
		Schema: map[string]*schema.Schema{
			"scheme":            withValues(withDefault("postgres"), "postgres", "postgresql"),
			"host":              withEnvironment(optionalString(), "PGHOST", nil),
			"port":              withEnvironment(optionalInt(), "PGPORT", 5432),
			"database":          withEnvironment(optionalString(), "PGDATABASE", "postgres"),
			"username":          withEnvironment(optionalString(), "PGUSER", "postgres"),
			"password":          secret(withEnvironment(optionalString(), "PGPASSWORD", nil)),
			"superuser":         withEnvironment(optionalBool(), "PGSUPERUSER", true),
			"sslmode":           withEnvironment(optionalString(), "PGSSLMODE", nil),
			"ssl_mode":          deprecated(optionalString(), "use sslmode"),
			"sslrootcert":       optionalString(),
			"clientcert":        clientCertificate(),
			"connect_timeout":   withEnvironment(optionalInt(), "PGCONNECT_TIMEOUT", 180),
			"max_connections":   atLeast(0, withDefault(20)),
			"expected_version":  withDefault("9.0.0"),
			"database_username": optionalString(),

			"aws_rds_iam_auth":                    refused(optionalBool()),
			"aws_rds_iam_profile":                 refused(optionalString()),
			"aws_rds_iam_region":                  refused(optionalString()),
			"aws_rds_iam_provider_role_arn":       refused(optionalString()),
			"azure_identity_auth":                 refused(optionalBool()),
			"azure_tenant_id":                     refused(optionalString()),
			"gcp_iam_impersonate_service_account": refused(optionalString()),
		},
		ResourcesMap: map[string]*schema.Resource{
			"postgresql_role":               roleResource(),
			"postgresql_database":           databaseResource(),
			"postgresql_schema":             schemaResource(),
			"postgresql_extension":          extensionResource(),
			"postgresql_grant":              grantResource(),
			"postgresql_grant_role":         grantRoleResource(),
			"postgresql_default_privileges": defaultPrivilegesResource(),
		},
		ConfigureContextFunc: func(_ context.Context, d *schema.ResourceData) (any, diag.Diagnostics) {
			s, err := newServer(d)
			if err != nil {
				return nil, diag.FromErr(err)
			}
			return s, nil
		},
	}
}

func clientCertificate() *schema.Schema {
	return &schema.Schema{Type: schema.TypeList, Optional: true, MaxItems: 1, Elem: &schema.Resource{
		Schema: map[string]*schema.Schema{
			"cert":      requiredString(),
			"key":       requiredString(),
			"sslinline": refused(optionalBool()),
		},
	}}
}
