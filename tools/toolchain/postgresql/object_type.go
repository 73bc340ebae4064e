package postgresql

import (
	"fmt"
	"maps"
	"slices"
)

// objectType is a sort of object that privileges can be granted on.
type objectType struct {
	keyword    string
	aclCode    string // the server's letter for the type, see acldefault
	privileges []string
	scope      objectScope
	// objects selects name as SQL, access list and owner of the objects concerned:
	// $1 is the schema (or database), $2 the names asked for, empty for all.
	objects string
}

// objectScope says what identifies an object besides its type.
type objectScope int

const (
	inCluster  objectScope = iota // the database itself
	inDatabase                    // named by objects, at least one
	isSchema                      // named by schema
	inSchema                      // in a schema, named by objects or all of them
)

var objectTypes = map[string]objectType{
	"database": {"DATABASE", "d", databasePrivileges, inCluster, `SELECT quote_ident(datname), datacl, datdba
		FROM pg_database WHERE datname = $1 AND $2::text[] IS NOT NULL`},
	"schema": {"SCHEMA", "n", schemaPrivileges, isSchema, `SELECT quote_ident(nspname), nspacl, nspowner
		FROM pg_namespace WHERE nspname = $1 AND $2::text[] IS NOT NULL`},
	"table":     {"TABLE", "r", tablePrivileges, inSchema, relations("r,v,m,f,p")},
	"sequence":  {"SEQUENCE", "s", sequencePrivileges, inSchema, relations("S")},
	"function":  {"FUNCTION", "f", functionPrivileges, inSchema, routines("f,a,w")},
	"procedure": {"PROCEDURE", "f", functionPrivileges, inSchema, routines("p")},
	"routine":   {"ROUTINE", "f", functionPrivileges, inSchema, routines("f,a,w,p")},
	"foreign_data_wrapper": {"FOREIGN DATA WRAPPER", "F", usagePrivilege, inDatabase, `SELECT
		quote_ident(fdwname), fdwacl, fdwowner
		FROM pg_foreign_data_wrapper WHERE fdwname = ANY($2) AND $1::text IS NOT NULL`},
	"foreign_server": {"FOREIGN SERVER", "S", usagePrivilege, inDatabase, `SELECT
		quote_ident(srvname), srvacl, srvowner FROM pg_foreign_server WHERE srvname = ANY($2) AND $1::text IS NOT NULL`},
}

func relations(kinds string) string {
	return fmt.Sprintf(`SELECT format('%%I.%%I', nspname, relname), relacl, relowner
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE nspname = $1 AND relkind = ANY('{%s}'::"char"[]) AND (cardinality($2::text[]) = 0 OR relname = ANY($2))`, kinds)
}

// routines may be asked for by name or, where a name has several, by signature.
func routines(kinds string) string {
	return fmt.Sprintf(`SELECT p.oid::regprocedure::text, proacl, proowner
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE nspname = $1 AND prokind = ANY('{%s}'::"char"[]) AND (cardinality($2::text[]) = 0
			OR proname = ANY($2) OR format('%%s(%%s)', proname, pg_get_function_identity_arguments(p.oid)) = ANY($2))`, kinds)
}

func objectTypeNames() []string { return slices.Sorted(maps.Keys(objectTypes)) }
