package postgresql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/jackc/pgx/v5"
)

func grantResource() *schema.Resource {
	r := newResource(map[string]*schema.Schema{
		"role":              replacing(requiredString()),
		"database":          replacing(requiredString()),
		"schema":            replacing(optionalString()),
		"object_type":       replacing(withValues(requiredString(), objectTypeNames()...)),
		"objects":           replacing(stringSet()),
		"columns":           replacing(refused(stringSet())),
		"privileges":        requiredStringSet(),
		"with_grant_option": replacing(withDefault(false)),
	}, operations{applyGrant, readGrant, applyGrant, deleteGrant})
	r.CustomizeDiff = func(_ context.Context, d *schema.ResourceDiff, _ any) error { return checkGrant(d) }
	return r
}

// checkGrant refuses, at preview, what cannot go together.
func checkGrant(d *schema.ResourceDiff) error {
	name := d.Get("object_type").(string)
	t, ok := objectTypes[name]
	if !ok {
		return nil // not known yet
	}
	if d.Get("schema") == "" && d.NewValueKnown("schema") && (t.scope == inSchema || t.scope == isSchema) {
		return fmt.Errorf("schema is missing; a grant with objectType %s needs it", name)
	}
	objects := d.Get("objects").(*schema.Set).Len()
	if objects > 0 && (t.scope == inCluster || t.scope == isSchema) {
		return fmt.Errorf("objects are given; a grant with objectType %s takes none", name)
	}
	if objects == 0 && d.NewValueKnown("objects") && t.scope == inDatabase {
		return fmt.Errorf("objects are missing; a grant with objectType %s needs their names", name)
	}
	return checkPrivileges(d, t.privileges)
}

// object is one that privileges are granted on: its name as SQL, its owner, what
// the role has on it and what can be had.
type object struct {
	name, owner  string
	granted, all []string
}

// findObjects lists the objects that a grant concerns. It ends in pgx.ErrNoRows
// where the role, or what the objects lie in, is gone.
func findObjects(ctx context.Context, q querier, d *schema.ResourceData, t objectType) ([]object, error) {
	role, err := roleOID(ctx, q, text(d, "role"))
	if err != nil {
		return nil, err
	}
	in := text(d, "schema")
	switch t.scope {
	case inCluster:
		in = text(d, "database")
	case inSchema:
		var exists bool
		if err := q.QueryRow(ctx, "SELECT true FROM pg_namespace WHERE nspname = $1", in).Scan(&exists); err != nil {
			return nil, err
		}
	case isSchema, inDatabase:
	}
	rows, err := q.Query(ctx, `SELECT o.name, pg_get_userbyid(o.owner)::text,
		ARRAY(SELECT privilege_type FROM aclexplode(COALESCE(o.acl, acldefault('`+t.aclCode+`', o.owner)))
			WHERE grantee = $3 AND is_grantable >= $4 ORDER BY 1),
		ARRAY(SELECT privilege_type FROM aclexplode(acldefault('`+t.aclCode+`', o.owner)) WHERE grantee = o.owner ORDER BY 1)
		FROM (`+t.objects+`) AS o(name, acl, owner) ORDER BY 1`,
		in, texts(d.Get("objects")), role, flag(d, "with_grant_option"))
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o object, err error) {
		err = row.Scan(&o.name, &o.owner, &o.granted, &o.all)
		return o, err
	})
	if err == nil && len(found) == 0 && (t.scope == inCluster || t.scope == isSchema) {
		err = pgx.ErrNoRows
	}
	return found, err
}

// databaseForGrant is where to connect to. A grant on a database is made from the
// provider's own: our user may have no right to connect to the other.
func databaseForGrant(d *schema.ResourceData, t objectType) string {
	if t.scope == inCluster {
		return ""
	}
	return text(d, "database")
}

// applyGrant revokes and grants in one transaction, so that nobody sees the moment
// between the two.
func applyGrant(ctx context.Context, d *schema.ResourceData, s *server) error {
	t := objectTypes[text(d, "object_type")]
	if err := s.change(ctx, databaseForGrant(d, t), func(q querier) error {
		found, err := findObjects(ctx, q, d, t)
		if isGone(err) {
			return fmt.Errorf("the role, the database or the schema does not exist")
		}
		if err != nil {
			return err
		}
		if missing := d.Get("objects").(*schema.Set).Len() - len(found); missing > 0 {
			return fmt.Errorf("%d of the objects %s do not exist", missing, strings.Join(texts(d.Get("objects")), ", "))
		}
		if len(found) == 0 {
			return nil
		}
		statements := []string{revokeStatement(d, t, found)}
		if wanted := wantedPrivileges(d.Get("privileges")); len(wanted) > 0 {
			statements = append(statements, fmt.Sprintf("GRANT %s ON %s %s TO %s%s", strings.Join(wanted, ", "),
				t.keyword, objectNames(found), grantee(text(d, "role")), withGrantOption(d)))
		}
		return s.actingAs(ctx, q, objectOwners(found), func() error { return execute(ctx, q, statements...) })
	}); err != nil {
		return fmt.Errorf("could not grant to role %q on %s in database %q: %w",
			text(d, "role"), text(d, "object_type"), text(d, "database"), err)
	}
	d.SetId(grantID(d, t))
	return nil
}

func grantID(d *schema.ResourceData, t objectType) string {
	parts := []string{text(d, "role"), text(d, "database")}
	if t.scope == inSchema || t.scope == isSchema {
		parts = append(parts, text(d, "schema"))
	}
	parts = append(parts, text(d, "object_type"))
	return strings.Join(append(parts, texts(d.Get("objects"))...), "_")
}

// readGrant shows a difference by the privileges on the first object that has it.
func readGrant(ctx context.Context, d *schema.ResourceData, s *server) error {
	t, ok := objectTypes[text(d, "object_type")]
	if !ok {
		return notImportable("Grant")
	}
	return s.read(ctx, databaseForGrant(d, t), func(q querier) error {
		found, err := findObjects(ctx, q, d, t)
		if err != nil {
			return err
		}
		wanted := wantedPrivileges(d.Get("privileges"))
		for _, o := range found {
			if !samePrivileges(wanted, o.granted, o.all) {
				return d.Set("privileges", o.granted)
			}
		}
		if len(found) < d.Get("objects").(*schema.Set).Len() {
			return d.Set("privileges", []string{})
		}
		return nil
	})
}

func deleteGrant(ctx context.Context, d *schema.ResourceData, s *server) error {
	t := objectTypes[text(d, "object_type")]
	if err := s.change(ctx, databaseForGrant(d, t), func(q querier) error {
		found, err := findObjects(ctx, q, d, t)
		if err != nil || len(found) == 0 {
			return err
		}
		return s.actingAs(ctx, q, objectOwners(found), func() error {
			return execute(ctx, q, revokeStatement(d, t, found))
		})
	}); err != nil {
		return fmt.Errorf("could not revoke from role %q on %s in database %q: %w",
			text(d, "role"), text(d, "object_type"), text(d, "database"), err)
	}
	return nil
}

func revokeStatement(d *schema.ResourceData, t objectType, found []object) string {
	return fmt.Sprintf("REVOKE ALL PRIVILEGES ON %s %s FROM %s", t.keyword, objectNames(found), grantee(text(d, "role")))
}

func objectNames(found []object) string {
	var names []string
	for _, o := range found {
		names = append(names, o.name)
	}
	return strings.Join(names, ", ")
}

func objectOwners(found []object) []string {
	var owners []string
	for _, o := range found {
		owners = append(owners, o.owner)
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}
