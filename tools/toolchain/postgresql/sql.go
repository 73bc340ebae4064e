package postgresql

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// querier is a connection or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// execute runs statements one after the other.
func execute(ctx context.Context, q querier, statements ...string) error {
	for _, statement := range statements {
		if _, err := q.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func identifier(name string) string { return pgx.Identifier{name}.Sanitize() }

// identifierOrDefault leaves the keyword DEFAULT unquoted.
func identifierOrDefault(name string) string {
	if isDefault(name) {
		return "DEFAULT"
	}
	return identifier(name)
}

func isDefault(name string) bool { return strings.EqualFold(name, "DEFAULT") }

// grantee is a role's name in GRANT and REVOKE, where PUBLIC is a keyword.
func grantee(role string) string {
	if isPublic(role) {
		return "PUBLIC"
	}
	return identifier(role)
}

func isPublic(role string) bool { return strings.EqualFold(role, "public") }

// literal quotes a text for statements that take no parameters.
func literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// SQLSTATE codes by which the server says that a database, a schema or another
// object is not there.
const (
	noSuchDatabase = "3D000"
	noSuchSchema   = "3F000"
	noSuchObject   = "42704"
)

func isGone(err error) bool {
	if errors.Is(err, pgx.ErrNoRows) {
		return true
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == noSuchDatabase || e.Code == noSuchSchema || e.Code == noSuchObject
}
