import { expect, test } from "vitest";

import { renderPgHba } from "../../../templates/pg-hba.ts";
import { renderPostgresqlConf } from "../../../templates/postgresql-conf.ts";

test("postgresql.conf listens where told and quotes what it is told", () => {
  const text = renderPostgresqlConf({
    listenAddresses: ["127.0.0.1", "10.0.0.5"],
    port: 5433,
    maxConnections: 25,
    clusterName: "it's",
  });
  expect(text).toMatchInlineSnapshot(`
    "listen_addresses = '127.0.0.1,10.0.0.5'
    port = 5433
    unix_socket_directories = ''
    max_connections = 25
    password_encryption = 'scram-sha-256'
    cluster_name = 'it''s'
    timezone = 'UTC'
    log_timezone = 'UTC'
    log_line_prefix = '%m [%p] %q%u@%d '
    "
  `);
});

test("pg_hba.conf has one SCRAM line for each rule and no other", () => {
  const text = renderPgHba([
    { type: "host", database: "all", user: "postgres", address: "127.0.0.1/32" },
    { type: "hostssl", database: "litellm", user: 'odd"name', address: "10.0.0.5/32" },
  ]);
  expect(text).toMatchInlineSnapshot(`
    "# TYPE   DATABASE   USER         ADDRESS       METHOD
    host     all        "postgres"   127.0.0.1/32  scram-sha-256
    hostssl  "litellm"  "odd""name"  10.0.0.5/32   scram-sha-256
    "
  `);
});
