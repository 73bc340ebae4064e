package postgresql

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

func schemaResource() *schema.Resource {
	return newResource(map[string]*schema.Schema{
		"name":          requiredString(),
		"database":      replacing(computed(optionalString())),
		"owner":         computed(optionalString()),
		"if_not_exists": withDefault(true),
		"drop_cascade":  withDefault(false),
		"policy":        schemaPolicies(),
	}, operations{createSchema, readSchema, updateSchema, deleteSchema})
}

// schemaPolicies are there for the SDK's sake; a Grant does the same and better.
func schemaPolicies() *schema.Schema {
	return computed(deprecated(&schema.Schema{Type: schema.TypeSet, Optional: true, Elem: &schema.Resource{
		Schema: map[string]*schema.Schema{
			"create":            refused(withDefault(false)),
			"create_with_grant": refused(withDefault(false)),
			"usage":             refused(withDefault(false)),
			"usage_with_grant":  refused(withDefault(false)),
			"role":              refused(optionalString()),
		},
	}}, "use a Grant with objectType schema"))
}

// joinID and splitID make the id of what lives in a database.
func joinID(database, name string) string { return database + "." + name }

func splitID(id string, s *server) (database, name string) {
	if database, name, found := strings.Cut(id, "."); found {
		return database, name
	}
	return s.database, id
}

// databaseOf is the database a resource names, else the provider's.
func databaseOf(d *schema.ResourceData, s *server) string {
	if name := text(d, "database"); name != "" {
		return name
	}
	return s.database
}

func createSchema(ctx context.Context, d *schema.ResourceData, s *server) error {
	database, name, owner := databaseOf(d, s), text(d, "name"), text(d, "owner")
	statements := []string{"CREATE SCHEMA " + identifier(name)}
	if flag(d, "if_not_exists") {
		statements[0] = "CREATE SCHEMA IF NOT EXISTS " + identifier(name)
	}
	if owner != "" {
		// On its own, for a schema that existed already.
		statements = append(statements, "ALTER SCHEMA "+identifier(name)+" OWNER TO "+identifier(owner))
	}
	if err := s.change(ctx, database, func(q querier) error {
		return s.actingAsDatabaseOwner(ctx, q, func() error {
			return s.actingAs(ctx, q, []string{owner}, func() error { return execute(ctx, q, statements...) })
		})
	}); err != nil {
		return fmt.Errorf("could not create schema %q in database %q: %w", name, database, err)
	}
	d.SetId(joinID(database, name))
	return nil
}

func readSchema(ctx context.Context, d *schema.ResourceData, s *server) error {
	database, name := splitID(d.Id(), s)
	return s.read(ctx, database, func(q querier) error {
		var owner string
		if err := q.QueryRow(ctx, "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1", name).
			Scan(&owner); err != nil {
			return err
		}
		return setAll(d, map[string]any{
			"name":          name,
			"database":      database,
			"owner":         owner,
			"if_not_exists": d.Get("if_not_exists"),
			"drop_cascade":  d.Get("drop_cascade"),
		})
	})
}

func updateSchema(ctx context.Context, d *schema.ResourceData, s *server) error {
	database, old := splitID(d.Id(), s)
	name, owner := text(d, "name"), text(d, "owner")
	if err := s.change(ctx, database, func(q querier) error {
		if old != name {
			if err := execute(ctx, q, "ALTER SCHEMA "+identifier(old)+" RENAME TO "+identifier(name)); err != nil {
				return err
			}
		}
		if !d.HasChange("owner") || owner == "" {
			return nil
		}
		return s.actingAs(ctx, q, []string{owner}, func() error {
			return execute(ctx, q, "ALTER SCHEMA "+identifier(name)+" OWNER TO "+identifier(owner))
		})
	}); err != nil {
		return fmt.Errorf("could not update schema %q in database %q: %w", old, database, err)
	}
	d.SetId(joinID(database, name))
	return nil
}

func deleteSchema(ctx context.Context, d *schema.ResourceData, s *server) error {
	database, name := splitID(d.Id(), s)
	if err := s.change(ctx, database, func(q querier) error {
		return s.actingAs(ctx, q, []string{text(d, "owner")}, func() error {
			return execute(ctx, q, "DROP SCHEMA IF EXISTS "+identifier(name)+dropMode(d))
		})
	}); err != nil {
		return fmt.Errorf("could not delete schema %q in database %q: %w", name, database, err)
	}
	return nil
}

func dropMode(d *schema.ResourceData) string {
	if flag(d, "drop_cascade") {
		return " CASCADE"
	}
	return " RESTRICT"
}
