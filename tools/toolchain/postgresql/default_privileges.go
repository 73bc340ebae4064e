package postgresql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// creatableType is a sort of object that can have default privileges. The server
// has one letter for it in pg_default_acl and, for sequences, another in acldefault.
type creatableType struct {
	keyword, defaultACLCode, aclCode string
	privileges                       []string
}

var creatableTypes = map[string]creatableType{
	"table":    {"TABLES", "r", "r", tablePrivileges},
	"sequence": {"SEQUENCES", "S", "s", sequencePrivileges},
	"function": {"FUNCTIONS", "f", "f", functionPrivileges},
	"routine":  {"ROUTINES", "f", "f", functionPrivileges},
	"type":     {"TYPES", "T", "T", usagePrivilege},
	"schema":   {"SCHEMAS", "n", "n", schemaPrivileges},
}

func defaultPrivilegesResource() *schema.Resource {
	names := slices.Sorted(maps.Keys(creatableTypes))
	r := newResource(map[string]*schema.Schema{
		"role":              replacing(requiredString()),
		"database":          replacing(requiredString()),
		"owner":             replacing(requiredString()),
		"schema":            replacing(optionalString()),
		"object_type":       replacing(withValues(requiredString(), names...)),
		"privileges":        requiredStringSet(),
		"with_grant_option": replacing(withDefault(false)),
	}, operations{applyDefaultPrivileges, readDefaultPrivileges, applyDefaultPrivileges, deleteDefaultPrivileges})
	r.CustomizeDiff = func(_ context.Context, d *schema.ResourceDiff, _ any) error { return checkDefaultPrivileges(d) }
	return r
}

func checkDefaultPrivileges(d *schema.ResourceDiff) error {
	t, ok := creatableTypes[d.Get("object_type").(string)]
	if !ok {
		return nil // not known yet
	}
	if d.Get("object_type") == "schema" && d.Get("schema") != "" {
		return fmt.Errorf("schema is %q; default privileges with objectType schema take none", d.Get("schema"))
	}
	return checkPrivileges(d, t.privileges)
}

func applyDefaultPrivileges(ctx context.Context, d *schema.ResourceData, s *server) error {
	t := creatableTypes[text(d, "object_type")]
	statements := []string{revokeDefaultStatement(d, t)}
	if wanted := wantedPrivileges(d.Get("privileges")); len(wanted) > 0 {
		statements = append(statements, fmt.Sprintf("%s GRANT %s ON %s TO %s%s", alterDefaultPrivileges(d),
			strings.Join(wanted, ", "), t.keyword, grantee(text(d, "role")), withGrantOption(d)))
	}
	if err := s.change(ctx, text(d, "database"), func(q querier) error {
		return s.actingAs(ctx, q, []string{text(d, "owner")}, func() error { return execute(ctx, q, statements...) })
	}); err != nil {
		return fmt.Errorf("could not set default privileges of role %q in database %q: %w",
			text(d, "role"), text(d, "database"), err)
	}
	in := text(d, "schema")
	if in == "" {
		in = "noschema"
	}
	d.SetId(strings.Join(
		[]string{text(d, "role"), text(d, "database"), in, text(d, "owner"), text(d, "object_type")}, "_"))
	return nil
}

func readDefaultPrivileges(ctx context.Context, d *schema.ResourceData, s *server) error {
	t, ok := creatableTypes[text(d, "object_type")]
	if !ok {
		return notImportable("DefaultPrivileges")
	}
	return s.read(ctx, text(d, "database"), func(q querier) error {
		role, err := roleOID(ctx, q, text(d, "role"))
		if err != nil {
			return err
		}
		owner, err := roleOID(ctx, q, text(d, "owner"))
		if err != nil {
			return err
		}
		granted, all, err := defaultPrivileges(ctx, q, d, t, role, owner)
		if err != nil || samePrivileges(wantedPrivileges(d.Get("privileges")), granted, all) {
			return err
		}
		return d.Set("privileges", granted)
	})
}

// defaultPrivileges reads what new objects of owner give to role, and all they
// could. For a whole database an absent entry means the server's own defaults; those
// for a schema come on top.
func defaultPrivileges(
	ctx context.Context, q querier, d *schema.ResourceData, t creatableType, role, owner uint32,
) (granted, all []string, err error) {
	in := text(d, "schema")
	namespace := uint32(0)
	absent := "acldefault('" + t.aclCode + "', $2)"
	if in != "" {
		absent = "'{}'::aclitem[]"
		if err := q.QueryRow(ctx, "SELECT oid FROM pg_namespace WHERE nspname = $1", in).Scan(&namespace); err != nil {
			return nil, nil, err
		}
	}
	err = q.QueryRow(ctx, `SELECT
		ARRAY(SELECT privilege_type FROM aclexplode(COALESCE((SELECT defaclacl FROM pg_default_acl
			WHERE defaclrole = $2 AND defaclobjtype = '`+t.defaultACLCode+`' AND defaclnamespace = $3), `+absent+`))
			WHERE grantee = $1 AND is_grantable >= $4 ORDER BY 1),
		ARRAY(SELECT privilege_type FROM aclexplode(acldefault('`+t.aclCode+`', $2)) WHERE grantee = $2 ORDER BY 1)`,
		role, owner, namespace, flag(d, "with_grant_option")).Scan(&granted, &all)
	return granted, all, err
}

func deleteDefaultPrivileges(ctx context.Context, d *schema.ResourceData, s *server) error {
	statement := revokeDefaultStatement(d, creatableTypes[text(d, "object_type")])
	if err := s.change(ctx, text(d, "database"), func(q querier) error {
		return s.actingAs(ctx, q, []string{text(d, "owner")}, func() error { return execute(ctx, q, statement) })
	}); err != nil {
		return fmt.Errorf("could not revoke default privileges of role %q in database %q: %w",
			text(d, "role"), text(d, "database"), err)
	}
	return nil
}

func revokeDefaultStatement(d *schema.ResourceData, t creatableType) string {
	return fmt.Sprintf("%s REVOKE ALL ON %s FROM %s", alterDefaultPrivileges(d), t.keyword, grantee(text(d, "role")))
}

func alterDefaultPrivileges(d *schema.ResourceData) string {
	statement := "ALTER DEFAULT PRIVILEGES FOR ROLE " + identifier(text(d, "owner"))
	if in := text(d, "schema"); in != "" {
		statement += " IN SCHEMA " + identifier(in)
	}
	return statement
}
