package postgresql

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// defaultTemplate is empty of everything, so a database can have any encoding.
const defaultTemplate = "template0"

func databaseResource() *schema.Resource {
	return newResource(map[string]*schema.Schema{
		"name":                   requiredString(),
		"owner":                  computed(optionalString()),
		"template":               replacing(computed(optionalString())),
		"encoding":               replacing(computed(optionalString())),
		"lc_collate":             replacing(computed(optionalString())),
		"lc_ctype":               replacing(computed(optionalString())),
		"tablespace_name":        computed(optionalString()),
		"connection_limit":       atLeast(-1, withDefault(-1)),
		"allow_connections":      withDefault(true),
		"is_template":            computed(optionalBool()),
		"alter_object_ownership": withDefault(false),
	}, operations{createDatabase, readDatabase, updateDatabase, deleteDatabase})
}

func createDatabase(ctx context.Context, d *schema.ResourceData, s *server) error {
	name, owner := text(d, "name"), text(d, "owner")
	if err := s.changeDatabases(ctx, func(q querier) error {
		return s.actingAs(ctx, q, []string{owner}, func() error {
			return execute(ctx, q, createDatabaseStatement(d))
		})
	}); err != nil {
		return fmt.Errorf("could not create database %q: %w", name, err)
	}
	d.SetId(name)
	return nil
}

func createDatabaseStatement(d *schema.ResourceData) string {
	get := func(key, fallback string) string {
		if value := text(d, key); value != "" {
			return value
		}
		return fallback
	}
	template := get("template", defaultTemplate)
	if isDefault(template) {
		template = defaultTemplate
	}
	clauses := []string{"CREATE DATABASE", identifier(text(d, "name")), "TEMPLATE", identifier(template)}
	if owner := text(d, "owner"); owner != "" {
		clauses = append(clauses, "OWNER", identifierOrDefault(owner))
	}
	for _, option := range []struct{ keyword, value string }{
		{"ENCODING", get("encoding", "UTF8")},
		{"LC_COLLATE", get("lc_collate", "C")},
		{"LC_CTYPE", get("lc_ctype", "C")},
	} {
		// Without the option the server takes the template's.
		if !isDefault(option.value) {
			clauses = append(clauses, option.keyword, literal(option.value))
		}
	}
	if tablespace := text(d, "tablespace_name"); tablespace != "" {
		clauses = append(clauses, "TABLESPACE", identifierOrDefault(tablespace))
	}
	clauses = append(clauses, databaseOptions(d, func(string) bool { return true })...)
	return strings.Join(clauses, " ")
}

// databaseOptions are the options that CREATE and ALTER DATABASE share.
func databaseOptions(d *schema.ResourceData, changed func(string) bool) []string {
	var options []string
	if changed("allow_connections") {
		options = append(options, fmt.Sprintf("ALLOW_CONNECTIONS %t", flag(d, "allow_connections")))
	}
	if changed("connection_limit") {
		options = append(options, fmt.Sprintf("CONNECTION LIMIT %d", d.Get("connection_limit").(int)))
	}
	if changed("is_template") {
		options = append(options, fmt.Sprintf("IS_TEMPLATE %t", flag(d, "is_template")))
	}
	return options
}

func readDatabase(ctx context.Context, d *schema.ResourceData, s *server) error {
	return s.read(ctx, "", func(q querier) error {
		var owner, encoding, collate, ctype, tablespace string
		var limit int
		var allow, isTemplate bool
		if err := q.QueryRow(ctx, `SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
			spcname, datconnlimit, datallowconn, datistemplate
			FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE datname = $1`, d.Id()).
			Scan(&owner, &encoding, &collate, &ctype, &tablespace, &limit, &allow, &isTemplate); err != nil {
			return err
		}
		// The server does not remember it.
		template := text(d, "template")
		if template == "" {
			template = defaultTemplate
		}
		return setAll(d, map[string]any{
			"name":                   d.Id(),
			"owner":                  owner,
			"template":               template,
			"encoding":               encoding,
			"lc_collate":             collate,
			"lc_ctype":               ctype,
			"tablespace_name":        tablespace,
			"connection_limit":       limit,
			"allow_connections":      allow,
			"is_template":            isTemplate,
			"alter_object_ownership": d.Get("alter_object_ownership"),
		})
	})
}

func updateDatabase(ctx context.Context, d *schema.ResourceData, s *server) error {
	old, name := d.Id(), text(d, "name")
	alter := "ALTER DATABASE " + identifier(name) + " "
	if err := s.changeDatabases(ctx, func(q querier) error {
		if old != name {
			if err := execute(ctx, q, "ALTER DATABASE "+identifier(old)+" RENAME TO "+identifier(name)); err != nil {
				return err
			}
			d.SetId(name)
		}
		if d.HasChange("tablespace_name") {
			tablespace := identifierOrDefault(text(d, "tablespace_name"))
			if err := execute(ctx, q, alter+"SET TABLESPACE "+tablespace); err != nil {
				return err
			}
		}
		if options := databaseOptions(d, d.HasChange); len(options) > 0 {
			if err := execute(ctx, q, alter+"WITH "+strings.Join(options, " ")); err != nil {
				return err
			}
		}
		return alterDatabaseOwner(ctx, d, q, s, alter)
	}); err != nil {
		return fmt.Errorf("could not update database %q: %w", old, err)
	}
	return reassignObjects(ctx, d, s)
}

func alterDatabaseOwner(ctx context.Context, d *schema.ResourceData, q querier, s *server, alter string) error {
	owner := text(d, "owner")
	if !d.HasChange("owner") || owner == "" {
		return nil
	}
	target := identifier(owner)
	if isDefault(owner) {
		target = "CURRENT_USER"
	}
	return s.actingAs(ctx, q, []string{owner}, func() error { return execute(ctx, q, alter+"OWNER TO "+target) })
}

// reassignObjects gives what the former owner has in the database to the new one.
func reassignObjects(ctx context.Context, d *schema.ResourceData, s *server) error {
	before, after := d.GetChange("owner")
	from, to := before.(string), after.(string)
	if !flag(d, "alter_object_ownership") || from == to || from == "" || to == "" {
		return nil
	}
	if err := s.change(ctx, text(d, "name"), func(q querier) error {
		return s.actingAs(ctx, q, []string{from, to}, func() error {
			return execute(ctx, q, "REASSIGN OWNED BY "+identifier(from)+" TO "+identifier(to))
		})
	}); err != nil {
		return fmt.Errorf("could not give the objects of %q in database %q to %q: %w", from, text(d, "name"), to, err)
	}
	return nil
}

func deleteDatabase(ctx context.Context, d *schema.ResourceData, s *server) error {
	name := d.Id()
	if err := s.changeDatabases(ctx, func(q querier) error {
		if flag(d, "is_template") {
			if err := execute(ctx, q, "ALTER DATABASE "+identifier(name)+" IS_TEMPLATE false"); err != nil {
				return err
			}
		}
		return s.actingAs(ctx, q, []string{text(d, "owner")}, func() error {
			return execute(ctx, q, "DROP DATABASE "+identifier(name)+" WITH (FORCE)")
		})
	}); err != nil {
		return fmt.Errorf("could not delete database %q: %w", name, err)
	}
	return nil
}
