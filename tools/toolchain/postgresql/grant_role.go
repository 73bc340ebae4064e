package postgresql

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

func grantRoleResource() *schema.Resource {
	return newResource(map[string]*schema.Schema{
		"role":              replacing(requiredString()),
		"grant_role":        replacing(requiredString()),
		"with_admin_option": replacing(withDefault(false)),
	}, operations{create: createGrantRole, read: readGrantRole, delete: deleteGrantRole})
}

func createGrantRole(ctx context.Context, d *schema.ResourceData, s *server) error {
	role, granted, admin := text(d, "role"), text(d, "grant_role"), flag(d, "with_admin_option")
	statement := "GRANT " + identifier(granted) + " TO " + identifier(role)
	if admin {
		statement += " WITH ADMIN OPTION"
	}
	if err := s.change(ctx, "", func(q querier) error { return execute(ctx, q, statement) }); err != nil {
		return fmt.Errorf("could not make %q a member of role %q: %w", role, granted, err)
	}
	d.SetId(fmt.Sprintf("%s_%s_%t", role, granted, admin))
	return nil
}

func readGrantRole(ctx context.Context, d *schema.ResourceData, s *server) error {
	if text(d, "role") == "" {
		return notImportable("GrantRole")
	}
	return s.read(ctx, "", func(q querier) error {
		var admin bool
		if err := q.QueryRow(ctx, `SELECT bool_or(admin_option) FROM pg_auth_members
			WHERE pg_get_userbyid(member) = $1 AND pg_get_userbyid(roleid) = $2 HAVING count(*) > 0`,
			text(d, "role"), text(d, "grant_role")).Scan(&admin); err != nil {
			return err
		}
		return d.Set("with_admin_option", admin)
	})
}

func deleteGrantRole(ctx context.Context, d *schema.ResourceData, s *server) error {
	role, granted := text(d, "role"), text(d, "grant_role")
	statement := "REVOKE " + identifier(granted) + " FROM " + identifier(role)
	if err := s.change(ctx, "", func(q querier) error { return execute(ctx, q, statement) }); err != nil {
		return fmt.Errorf("could not end the membership of %q in role %q: %w", role, granted, err)
	}
	return nil
}

// notImportable explains why a resource whose id does not tell what it is cannot be read.
func notImportable(kind string) error {
	return fmt.Errorf(
		"a %s cannot be imported, its id does not say enough; create it instead: granting twice does no harm", kind)
}
