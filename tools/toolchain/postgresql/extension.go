package postgresql

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

func extensionResource() *schema.Resource {
	return newResource(map[string]*schema.Schema{
		"name":           replacing(requiredString()),
		"database":       replacing(computed(optionalString())),
		"schema":         computed(optionalString()),
		"version":        computed(optionalString()),
		"create_cascade": withDefault(false),
		"drop_cascade":   withDefault(false),
	}, operations{createExtension, readExtension, updateExtension, deleteExtension})
}

func createExtension(ctx context.Context, d *schema.ResourceData, s *server) error {
	database, name := databaseOf(d, s), text(d, "name")
	statement := "CREATE EXTENSION IF NOT EXISTS " + identifier(name)
	if in := text(d, "schema"); in != "" {
		statement += " SCHEMA " + identifier(in)
	}
	if version := text(d, "version"); version != "" {
		statement += " VERSION " + identifier(version)
	}
	if flag(d, "create_cascade") {
		statement += " CASCADE"
	}
	if err := s.change(ctx, database, func(q querier) error {
		return s.actingAsDatabaseOwner(ctx, q, func() error { return execute(ctx, q, statement) })
	}); err != nil {
		return fmt.Errorf("could not create extension %q in database %q: %w", name, database, err)
	}
	d.SetId(joinID(database, name))
	return nil
}

func readExtension(ctx context.Context, d *schema.ResourceData, s *server) error {
	database, name := splitID(d.Id(), s)
	return s.read(ctx, database, func(q querier) error {
		var in, version string
		if err := q.QueryRow(ctx, `SELECT nspname, extversion FROM pg_extension e
			JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = $1`, name).Scan(&in, &version); err != nil {
			return err
		}
		return setAll(d, map[string]any{
			"name":           name,
			"database":       database,
			"schema":         in,
			"version":        version,
			"create_cascade": d.Get("create_cascade"),
			"drop_cascade":   d.Get("drop_cascade"),
		})
	})
}

func updateExtension(ctx context.Context, d *schema.ResourceData, s *server) error {
	database, name := splitID(d.Id(), s)
	alter := "ALTER EXTENSION " + identifier(name)
	var statements []string
	if in := text(d, "schema"); d.HasChange("schema") && in != "" {
		statements = append(statements, alter+" SET SCHEMA "+identifier(in))
	}
	if version := text(d, "version"); d.HasChange("version") && version != "" {
		statements = append(statements, alter+" UPDATE TO "+identifier(version))
	}
	if err := s.change(ctx, database, func(q querier) error { return execute(ctx, q, statements...) }); err != nil {
		return fmt.Errorf("could not update extension %q in database %q: %w", name, database, err)
	}
	return nil
}

func deleteExtension(ctx context.Context, d *schema.ResourceData, s *server) error {
	database, name := splitID(d.Id(), s)
	statement := "DROP EXTENSION IF EXISTS " + identifier(name) + dropMode(d)
	if err := s.change(ctx, database, func(q querier) error { return execute(ctx, q, statement) }); err != nil {
		return fmt.Errorf("could not delete extension %q in database %q: %w", name, database, err)
	}
	return nil
}
