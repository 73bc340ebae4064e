import { describe, expect, test } from "vitest";

import { parseSettings } from "../../../stacks/settings/settings.ts";
import { mockModels as models, rawConfig, refusal } from "./raw-config.ts";

const topology = "single-host";

describe("settings of a single host", () => {
  test("the topology is enough: the database is a container of the stack's own", () => {
    const { deployment, database } = parseSettings(rawConfig({ models, deployment: { topology } }));
    expect(deployment).toMatchObject({
      image: "ghcr.io/berriai/litellm:v1.106.2",
      proxyAddress: "127.0.0.1",
      profile: "production",
      workers: 2,
    });
    expect(database).toMatchObject({ kind: "managed", version: 16, keepVolume: true });
  });

  test("a database without a kind is the stack's own", () => {
    const { database } = parseSettings(
      rawConfig({ models, deployment: { topology }, database: { port: 5444 } }),
    );
    expect(database).toMatchObject({ kind: "managed", port: 5444 });
  });

  test("what a topology does not have", () => {
    expect(refusal({ models, deployment: { topology }, database: { kind: "embedded" } }))
      .toMatchInlineSnapshot(`
      "invalid settings: 1 error

      database.kind is "embedded", which topology "single-host" does not have; it has managed, external, url, none
        pulumi config set --path 'database.kind' managed"
    `);
    expect(refusal({ models, database: { kind: "managed" } })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      database.kind is "managed", which topology "local" does not have; it has embedded, none
        pulumi config set --path 'database.kind' embedded"
    `);
  });

  test("images that may be others tomorrow, unless they are wanted", () => {
    const deployment = { topology, image: "ghcr.io/berriai/litellm:main-stable" };
    expect(refusal({ models, deployment, database: { kind: "managed", image: "postgres" } }))
      .toMatchInlineSnapshot(`
      "invalid settings: 2 errors

      deployment.image is "ghcr.io/berriai/litellm:main-stable", which may be another image tomorrow: name a version or a digest
        pulumi config rm --path 'deployment.image', or to accept it: pulumi config set --path 'deployment.allowMovingTags' true

      database.image is "postgres", which may be another image tomorrow: name a version or a digest
        pulumi config rm --path 'database.image', or to accept it: pulumi config set --path 'deployment.allowMovingTags' true"
    `);
    const accepted = parseSettings(
      rawConfig({ models, deployment: { ...deployment, allowMovingTags: true } }),
    );
    expect(accepted.deployment).toMatchObject({ image: deployment.image });
  });

  test("places that a container does not reach, and names that this machine does not", () => {
    expect(
      refusal(
        {
          deployment: {
            topology,
            docker: {
              host: "ssh://deploy@gateway.test",
              context: "gateway",
              registries: [{ address: "ghcr.io", username: "u", password: "pullToken" }],
            },
          },
          endpoints: { local: "http://localhost:11434" },
          models: [
            ...models,
            { name: "a", provider: "ollama", model: "a", baseUrl: "http://127.0.0.1:11434" },
          ],
        },
        {},
      ),
    ).toMatchInlineSnapshot(`
      "invalid settings: 7 errors

      deployment.docker.context is given together with docker.host; give one of them
        pulumi config rm --path 'deployment.docker.context'

      deployment.docker.hostname is 127.0.0.1, this machine, but the Docker host is ssh://deploy@gateway.test: say under which name it is reached
        pulumi config set --path 'deployment.docker.hostname' gateway.test

      deployment.proxyAddress is 127.0.0.1, which only the Docker host itself reaches; the checks ask the gateway from here
        pulumi config set --path 'deployment.proxyAddress' 0.0.0.0

      deployment.docker.registries[0].password needs the secret "pullToken", which is not set
        pulumi config set --secret --path 'secrets.pullToken'

      database.address is 127.0.0.1, which only the Docker host itself reaches; role and database are made from here
        pulumi config set --path 'database.address' 0.0.0.0

      endpoints.local is "http://localhost:11434", which inside a container is the container itself; the Docker host is host.docker.internal
        pulumi config set --path 'endpoints.local' http://host.docker.internal:11434

      models[1].baseUrl is "http://127.0.0.1:11434", which inside a container is the container itself; the Docker host is host.docker.internal
        pulumi config set --path 'models[1].baseUrl' http://host.docker.internal:11434"
    `);
  });

  test("databases that are not the stack's own, with what is missing or wrong", () => {
    const deployment = { topology };
    expect(
      refusal({
        models,
        deployment,
        database: {
          kind: "external",
          host: "localhost",
          sslmode: "require",
          certificateAuthorityFile: "ca.pem",
        },
      }),
    ).toMatchInlineSnapshot(`
      "invalid settings: 3 errors

      database.certificateAuthorityFile is not used with sslmode "require"
        pulumi config set --path 'database.sslmode' verify-full

      database.host is "localhost", which inside a container is the container itself; the Docker host is host.docker.internal
        pulumi config set --path 'database.host' host.docker.internal

      databaseAdminPassword is required with database.kind "external"
        pulumi config set --secret databaseAdminPassword"
    `);
    expect(refusal({ models, deployment, database: { kind: "url" } })).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      databaseUrl is required with database.kind "url"
        pulumi config set --secret databaseUrl"
    `);
    const url = (databaseUrl: string) =>
      refusal({ models, deployment, database: { kind: "url" } }, { databaseUrl });
    expect(url("mysql://u:p@db.test/litellm")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      databaseUrl must be postgresql://user:password@host:port/database, user and password percent-encoded (not shown)
        pulumi config set --secret databaseUrl"
    `);
    expect(url("postgresql://u:secret-password@localhost/litellm")).toMatchInlineSnapshot(`
      "invalid settings: 1 error

      databaseUrl names localhost, which inside a container is the container itself; the Docker host is host.docker.internal
        pulumi config set --secret databaseUrl"
    `);
    expect(url("postgresql://u:secret-password@db.test/litellm?sslmode=allow"))
      .toMatchInlineSnapshot(`
      "invalid settings: 1 error

      databaseUrl has sslmode=allow; Prisma knows disable, prefer and require
        pulumi config set --secret databaseUrl"
    `);
    expect(url("postgresql://u:secret-password@localhost/litellm")).not.toContain(
      "secret-password",
    );
  });
});
