/** How Prisma 5.4.2 records migrations in the database, for those who apply them in its place. */

/** Of the advisory lock that Prisma takes for migrating: every other run waits for it. */
export const MIGRATION_LOCK = 72707369;

/** Makes Prisma's own table as Prisma makes it. */
export const CREATE_MIGRATION_RECORDS = `CREATE TABLE _prisma_migrations (
  id                    VARCHAR(36) PRIMARY KEY NOT NULL,
  checksum              VARCHAR(64) NOT NULL,
  finished_at           TIMESTAMPTZ,
  migration_name        VARCHAR(255) NOT NULL,
  logs                  TEXT,
  rolled_back_at        TIMESTAMPTZ,
  started_at            TIMESTAMPTZ NOT NULL DEFAULT now(),
  applied_steps_count   INTEGER NOT NULL DEFAULT 0
)`;
