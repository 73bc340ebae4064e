package postgresql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// Privileges there are on each sort of object.
var (
	databasePrivileges = []string{"CREATE", "CONNECT", "TEMPORARY"}
	schemaPrivileges   = []string{"CREATE", "USAGE"}
	tablePrivileges    = []string{
		"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN",
	}
	sequencePrivileges = []string{"USAGE", "SELECT", "UPDATE"}
	functionPrivileges = []string{"EXECUTE"}
	usagePrivilege     = []string{"USAGE"}
)

// allPrivileges is how SQL says "whichever there are".
const allPrivileges = "ALL PRIVILEGES"

// wantedPrivileges are the privileges a resource asks for, in the server's words.
func wantedPrivileges(value any) []string {
	var wanted []string
	for _, privilege := range texts(value) {
		switch p := strings.ToUpper(privilege); p {
		case "ALL":
			wanted = append(wanted, allPrivileges)
		case "TEMP":
			wanted = append(wanted, "TEMPORARY")
		default:
			wanted = append(wanted, p)
		}
	}
	if slices.Contains(wanted, allPrivileges) {
		return []string{allPrivileges}
	}
	slices.Sort(wanted)
	return slices.Compact(wanted)
}

// checkPrivileges refuses, at preview, privileges that objects of a type cannot have.
func checkPrivileges(d *schema.ResourceDiff, allowed []string) error {
	if !d.NewValueKnown("privileges") {
		return nil
	}
	for _, p := range wantedPrivileges(d.Get("privileges")) {
		if p != allPrivileges && !slices.Contains(allowed, p) {
			return fmt.Errorf("privileges contain %q; objectType %s has ALL, %s",
				p, d.Get("object_type"), strings.Join(allowed, ", "))
		}
	}
	return nil
}

// samePrivileges compares what is wanted with what the server has granted; both
// lists of the server are sorted.
func samePrivileges(wanted, granted, all []string) bool {
	if slices.Equal(wanted, []string{allPrivileges}) {
		return slices.Equal(granted, all)
	}
	return slices.Equal(wanted, granted)
}

func withGrantOption(d *schema.ResourceData) string {
	if flag(d, "with_grant_option") {
		return " WITH GRANT OPTION"
	}
	return ""
}

// publicOID stands for PUBLIC in access lists.
const publicOID = 0

func roleOID(ctx context.Context, q querier, role string) (oid uint32, err error) {
	if isPublic(role) {
		return publicOID, nil
	}
	err = q.QueryRow(ctx, "SELECT oid FROM pg_roles WHERE rolname = $1", role).Scan(&oid)
	return oid, err
}
