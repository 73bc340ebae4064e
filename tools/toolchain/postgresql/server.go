package postgresql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/jackc/pgx/v5"
)

// lockKey names the advisory lock that keeps two Pulumi runs from changing
// privileges at once: PostgreSQL then fails with "tuple concurrently updated".
const lockKey = 7072616931

// server is a PostgreSQL server and who we are on it. Each operation opens a
// connection of its own: nothing is contacted before it is needed, and no idle
// session of ours stands in the way of DROP DATABASE.
type server struct {
	settings  map[string]string
	database  string
	superuser bool
	write     sync.Mutex
	slots     chan struct{}
}

func newServer(d *schema.ResourceData) (*server, error) {
	s := &server{
		database:  text(d, "database"),
		superuser: flag(d, "superuser"),
		settings: map[string]string{
			"host":             text(d, "host"),
			"port":             strconv.Itoa(d.Get("port").(int)),
			"user":             text(d, "username"),
			"password":         text(d, "password"),
			"sslmode":          sslMode(d),
			"sslrootcert":      text(d, "sslrootcert"),
			"application_name": "pulumi-resource-postgresql",
		},
	}
	if timeout := d.Get("connect_timeout").(int); timeout > 0 {
		s.settings["connect_timeout"] = strconv.Itoa(timeout)
	}
	if list := d.Get("clientcert").([]any); len(list) == 1 {
		certificate, ok := list[0].(map[string]any)
		if !ok {
			return nil, errors.New("clientcert is empty; it takes cert and key, the paths of two PEM files")
		}
		s.settings["sslcert"] = certificate["cert"].(string)
		s.settings["sslkey"] = certificate["key"].(string)
	}
	if most := d.Get("max_connections").(int); most > 0 {
		s.slots = make(chan struct{}, most)
	}
	return s, nil
}

// sslMode is "require" where nothing is said, as with the official plugin.
func sslMode(d *schema.ResourceData) string {
	for _, key := range []string{"sslmode", "ssl_mode"} {
		if mode := text(d, key); mode != "" {
			return mode
		}
	}
	return "require"
}

// read runs f on a connection to database; "" is the provider's own database.
func (s *server) read(ctx context.Context, database string, f func(querier) error) error {
	return s.connected(ctx, database, func(c *pgx.Conn) error { return f(c) })
}

// change runs f in a transaction on database, one at a time.
func (s *server) change(ctx context.Context, database string, f func(querier) error) error {
	s.write.Lock()
	defer s.write.Unlock()
	return s.connected(ctx, database, func(c *pgx.Conn) error {
		return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(lockKey)); err != nil {
				return err
			}
			return f(tx)
		})
	})
}

// changeDatabases runs f outside a transaction, as CREATE DATABASE and its like
// demand, one at a time.
func (s *server) changeDatabases(ctx context.Context, f func(querier) error) error {
	s.write.Lock()
	defer s.write.Unlock()
	return s.read(ctx, "", f)
}

func (s *server) connected(ctx context.Context, database string, f func(*pgx.Conn) error) error {
	if s.slots != nil {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
	}
	if database == "" {
		database = s.database
	}
	config, err := s.connectionConfig(database)
	if err != nil {
		return err
	}
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("could not connect to PostgreSQL at %s as %s: %w",
			net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), config.User, err)
	}
	defer func() {
		// Even when the caller's context is over: a session that just vanishes is an error in the server's log.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = c.Close(closing)
	}()
	return f(c)
}

func (s *server) connectionConfig(database string) (*pgx.ConnConfig, error) {
	var dsn strings.Builder
	dsn.WriteString("dbname=" + quoteSetting(database))
	for key, value := range s.settings {
		if value != "" && key != "password" {
			fmt.Fprintf(&dsn, " %s=%s", key, quoteSetting(value))
		}
	}
	config, err := pgx.ParseConfig(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("the connection settings of the postgresql provider are wrong: %w", err)
	}
	config.Password = s.settings["password"]
	if config.Password == "" {
		config.Password = os.Getenv("PGPASSWORD")
	}
	return config, nil
}

func quoteSetting(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// actingAs runs f with the rights of each of the roles. A user that is not a
// superuser must be a member of a role to hand ownership to it or to change what it
// owns: where it is none, it becomes one for as long as f runs.
func (s *server) actingAs(ctx context.Context, q querier, roles []string, f func() error) error {
	if len(roles) == 0 {
		return f()
	}
	return s.actingAsOne(ctx, q, roles[0], func() error { return s.actingAs(ctx, q, roles[1:], f) })
}

// actingAsDatabaseOwner is for what needs the right to create in a database.
func (s *server) actingAsDatabaseOwner(ctx context.Context, q querier, f func() error) error {
	var owner string
	if err := q.QueryRow(ctx, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()").
		Scan(&owner); err != nil {
		return err
	}
	return s.actingAs(ctx, q, []string{owner}, f)
}

func (s *server) actingAsOne(ctx context.Context, q querier, role string, f func() error) error {
	if s.superuser || role == "" || isDefault(role) {
		return f()
	}
	// From PostgreSQL 16 on, who creates a role is its member with the right to administer it and no other.
	const mayAct = `SELECT pg_has_role(current_user, $1, 'USAGE') AND CASE
		WHEN current_setting('server_version_num')::int < 160000 THEN true
		ELSE pg_has_role(current_user, $1, 'SET') END`
	var may bool
	if err := q.QueryRow(ctx, mayAct, role).Scan(&may); err != nil {
		return err
	}
	if may {
		return f()
	}
	if err := execute(ctx, q, "GRANT "+identifier(role)+" TO CURRENT_USER"); err != nil {
		return err
	}
	err := f()
	if err != nil {
		return err
	}
	// A role that f dropped took the membership with it.
	if err := execute(ctx, q, "REVOKE "+identifier(role)+" FROM CURRENT_USER"); !isGone(err) {
		return err
	}
	return nil
}
