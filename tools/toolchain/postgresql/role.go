package postgresql

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// roleAttributes are the yes-or-no attributes of a role: property, column of
// pg_roles, keyword.
var roleAttributes = []struct{ property, column, keyword string }{
	{"superuser", "rolsuper", "SUPERUSER"},
	{"create_database", "rolcreatedb", "CREATEDB"},
	{"create_role", "rolcreaterole", "CREATEROLE"},
	{"inherit", "rolinherit", "INHERIT"},
	{"login", "rolcanlogin", "LOGIN"},
	{"replication", "rolreplication", "REPLICATION"},
	{"bypass_row_level_security", "rolbypassrls", "BYPASSRLS"},
}

// noExpiry is how the server writes that a password never expires.
const noExpiry = "infinity"

func roleResource() *schema.Resource {
	return newResource(map[string]*schema.Schema{
		"name":     requiredString(),
		"password": secret(optionalString()),
		"password_wo": {
			Type: schema.TypeString, Optional: true, Sensitive: true, WriteOnly: true,
			ConflictsWith: []string{"password"}, RequiredWith: []string{"password_wo_version"},
		},
		"password_wo_version": {Type: schema.TypeString, Optional: true, RequiredWith: []string{"password_wo"}},
		"encrypted":           refused(deprecated(optionalString(), "use encryptedPassword")),
		// Servers from PostgreSQL 10 on store no other passwords.
		"encrypted_password": onlyTrue(withDefault(true)),

		"superuser":                 withDefault(false),
		"create_database":           withDefault(false),
		"create_role":               withDefault(false),
		"inherit":                   withDefault(true),
		"login":                     withDefault(false),
		"replication":               withDefault(false),
		"bypass_row_level_security": withDefault(false),
		"connection_limit":          atLeast(-1, withDefault(-1)),
		"valid_until":               withDefault(noExpiry),

		"roles":                               stringSet(),
		"search_path":                         stringList(),
		"idle_in_transaction_session_timeout": atLeast(0, optionalInt()),
		"statement_timeout":                   atLeast(0, optionalInt()),
		"assume_role":                         optionalString(),

		"skip_drop_role":      withDefault(false),
		"skip_reassign_owned": withDefault(false),
	}, operations{createRole, readRole, updateRole, deleteRole})
}

func onlyTrue(s *schema.Schema) *schema.Schema {
	s.ValidateFunc = func(value any, key string) ([]string, []error) {
		if value == false {
			return nil, []error{fmt.Errorf("%s is false; the server stores passwords encrypted only", key)}
		}
		return nil, nil
	}
	return s
}

func createRole(ctx context.Context, d *schema.ResourceData, s *server) error {
	name := text(d, "name")
	options, err := roleOptions(d, func(string) bool { return true })
	if err != nil {
		return err
	}
	isSet := func(key string) bool { _, ok := d.GetOk(key); return ok }
	if err := s.change(ctx, "", func(q querier) error {
		if err := execute(ctx, q, "CREATE ROLE "+identifier(name)+" WITH "+strings.Join(options, " ")); err != nil {
			return err
		}
		return applyRoleSettings(ctx, d, q, name, isSet)
	}); err != nil {
		return fmt.Errorf("could not create role %q: %w", name, err)
	}
	d.SetId(name)
	return nil
}

func updateRole(ctx context.Context, d *schema.ResourceData, s *server) error {
	old, name := d.Id(), text(d, "name")
	options, err := roleOptions(d, d.HasChange)
	if err != nil {
		return err
	}
	if err := s.change(ctx, "", func(q querier) error {
		if old != name {
			if err := execute(ctx, q, "ALTER ROLE "+identifier(old)+" RENAME TO "+identifier(name)); err != nil {
				return err
			}
		}
		if len(options) > 0 {
			if err := execute(ctx, q, "ALTER ROLE "+identifier(name)+" WITH "+strings.Join(options, " ")); err != nil {
				return err
			}
		}
		return applyRoleSettings(ctx, d, q, name, d.HasChange)
	}); err != nil {
		return fmt.Errorf("could not update role %q: %w", old, err)
	}
	d.SetId(name)
	return nil
}

// roleOptions are the options of CREATE ROLE and ALTER ROLE for what changed.
func roleOptions(d *schema.ResourceData, changed func(string) bool) ([]string, error) {
	var options []string
	for _, a := range roleAttributes {
		switch {
		case !changed(a.property):
		case flag(d, a.property):
			options = append(options, a.keyword)
		default:
			options = append(options, "NO"+a.keyword)
		}
	}
	if changed("connection_limit") {
		options = append(options, fmt.Sprintf("CONNECTION LIMIT %d", d.Get("connection_limit").(int)))
	}
	if changed("valid_until") {
		options = append(options, "VALID UNTIL "+literal(expiry(text(d, "valid_until"))))
	}
	if password, ok := newPassword(d); ok {
		clause, err := passwordClause(password)
		if err != nil {
			return nil, err
		}
		options = append(options, clause)
	}
	return options, nil
}

// expiry reads the two ways of saying "never" that are not the server's.
func expiry(validUntil string) string {
	if validUntil == "" || strings.EqualFold(validUntil, "NULL") {
		return noExpiry
	}
	return validUntil
}

// newPassword is the password to set, if one is to be set.
func newPassword(d *schema.ResourceData) (string, bool) {
	// First, for a role that changes from password to passwordWo.
	if d.HasChange("password_wo_version") {
		if value := d.GetRawConfig().GetAttr("password_wo"); value.IsKnown() && !value.IsNull() {
			return value.AsString(), true
		}
	}
	return text(d, "password"), d.HasChange("password")
}

func applyRoleSettings(
	ctx context.Context, d *schema.ResourceData, q querier, name string, changed func(string) bool,
) error {
	alter := "ALTER ROLE " + identifier(name)
	for _, setting := range roleSettings(d) {
		if !changed(setting.property) {
			continue
		}
		statement := alter + " RESET " + setting.name
		if setting.value != "" {
			statement = alter + " SET " + setting.name + " TO " + setting.value
		}
		if err := execute(ctx, q, statement); err != nil {
			return err
		}
	}
	if !changed("roles") {
		return nil
	}
	before, after := d.GetChange("roles")
	left := before.(*schema.Set).Difference(after.(*schema.Set))
	joined := after.(*schema.Set).Difference(before.(*schema.Set))
	for _, role := range texts(left) {
		if err := execute(ctx, q, "REVOKE "+identifier(role)+" FROM "+identifier(name)); err != nil {
			return err
		}
	}
	for _, role := range texts(joined) {
		if err := execute(ctx, q, "GRANT "+identifier(role)+" TO "+identifier(name)); err != nil {
			return err
		}
	}
	return nil
}

// roleSetting is a run-time setting of a role's sessions; without a value it is reset.
type roleSetting struct{ property, name, value string }

func roleSettings(d *schema.ResourceData) []roleSetting {
	milliseconds := func(key string) string {
		if n := d.Get(key).(int); n != 0 {
			return strconv.Itoa(n)
		}
		return ""
	}
	assumed := text(d, "assume_role")
	if assumed != "" {
		assumed = literal(assumed)
	}
	return []roleSetting{
		{"search_path", "search_path", formatSearchPath(texts(d.Get("search_path")))},
		{
			"idle_in_transaction_session_timeout", "idle_in_transaction_session_timeout",
			milliseconds("idle_in_transaction_session_timeout"),
		},
		{"statement_timeout", "statement_timeout", milliseconds("statement_timeout")},
		{"assume_role", "role", assumed},
	}
}

func readRole(ctx context.Context, d *schema.ResourceData, s *server) error {
	return s.read(ctx, "", func(q querier) error {
		values, err := roleState(ctx, q, d.Id(), text(d, "valid_until"))
		if err != nil {
			return err
		}
		maps.Copy(values, map[string]any{
			"encrypted_password":  true,
			"skip_drop_role":      d.Get("skip_drop_role"),
			"skip_reassign_owned": d.Get("skip_reassign_owned"),
		})
		// Only a superuser may see what the server keeps of a password.
		if password := text(d, "password"); password != "" && s.superuser {
			set, err := hasPassword(ctx, q, d.Id(), password)
			if err != nil {
				return err
			}
			if !set {
				values["password"] = ""
			}
		}
		return setAll(d, values)
	})
}

// roleState reads a role. The server writes a time in its own way: where it means
// the same as validUntil, that spelling stays.
func roleState(ctx context.Context, q querier, name, validUntil string) (map[string]any, error) {
	var limit int
	var until string
	var sameUntil bool
	var roles, config []string
	on := make([]bool, len(roleAttributes))
	targets := []any{&limit, &until, &sameUntil, &roles, &config}
	columns := ""
	for i, a := range roleAttributes {
		columns += ", " + a.column
		targets = append(targets, &on[i])
	}
	if err := q.QueryRow(ctx, `SELECT rolconnlimit, COALESCE(rolvaliduntil::text, 'infinity'),
		COALESCE(rolvaliduntil, 'infinity') = $2::text::timestamptz,
		ARRAY(SELECT DISTINCT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = pg_roles.oid ORDER BY 1),
		COALESCE(rolconfig, '{}')`+columns+` FROM pg_roles WHERE rolname = $1`, name, expiry(validUntil)).
		Scan(targets...); err != nil {
		return nil, err
	}
	if sameUntil && validUntil != "" {
		until = validUntil
	}
	settings := map[string]string{}
	for _, entry := range config {
		key, value, _ := strings.Cut(entry, "=")
		settings[key] = value
	}
	values := map[string]any{
		"name":             name,
		"connection_limit": limit,
		"valid_until":      until,
		"roles":            roles,
		"search_path":      parseSearchPath(settings["search_path"]),
		"assume_role":      settings["role"],
	}
	for _, key := range []string{"idle_in_transaction_session_timeout", "statement_timeout"} {
		n, err := milliseconds(settings[key])
		if err != nil {
			return nil, fmt.Errorf("role %q has %s = %q: %w", name, key, settings[key], err)
		}
		values[key] = n
	}
	for i, a := range roleAttributes {
		values[a.property] = on[i]
	}
	return values, nil
}

func hasPassword(ctx context.Context, q querier, role, password string) (bool, error) {
	var stored *string
	if err := q.QueryRow(ctx, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", role).Scan(&stored); err != nil {
		return false, err
	}
	if removesPassword(password) {
		return stored == nil, nil
	}
	return stored != nil && passwordMatches(*stored, role, password), nil
}

func deleteRole(ctx context.Context, d *schema.ResourceData, s *server) error {
	name := d.Id()
	if err := s.change(ctx, "", func(q querier) error {
		var exists bool
		if err := q.QueryRow(ctx, "SELECT true FROM pg_roles WHERE rolname = $1", name).Scan(&exists); err != nil {
			return err
		}
		if !flag(d, "skip_reassign_owned") {
			if err := s.actingAs(ctx, q, []string{name}, func() error {
				return execute(ctx, q,
					"REASSIGN OWNED BY "+identifier(name)+" TO CURRENT_USER",
					"DROP OWNED BY "+identifier(name))
			}); err != nil {
				return err
			}
		}
		if flag(d, "skip_drop_role") {
			return nil
		}
		return execute(ctx, q, "DROP ROLE "+identifier(name))
	}); err != nil {
		return fmt.Errorf("could not delete role %q: %w", name, err)
	}
	return nil
}
