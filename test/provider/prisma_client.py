"""Uses a generated client against the database of DATABASE_URL and prints what it saw as JSON."""

import asyncio
import datetime
import json
import os
import sys
from datetime import timedelta

from prisma import Json, Prisma, errors

seen = {}


async def fails(awaitable):
    try:
        await awaitable
    except Exception as error:  # any of the client's or the engine's
        return type(error).__name__
    return None


async def values(db):
    users = db.litellm_usertable
    given = {
        "user_id": "values",
        "user_alias": 'q"uo\\te\n\u2603\U0001f600 {x: 1}',
        "metadata": Json({"a": [1, {"b": None}], "s": 'x"y'}),
        "models": ["a", "b,c"],
        "tpm_limit": 2**53 + 1,
        "spend": 1e-7,
        "budget_reset_at": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    }
    created = await users.create(data=given)
    read = await users.find_unique(where={"user_id": "values"})
    expected = {**given, "metadata": given["metadata"].data}
    seen["values"] = [
        name
        for user in (created, read)
        for name, value in expected.items()
        if getattr(user, name) != value
    ]
    seen["json filters"] = [
        (await users.find_first(where={"metadata": {"equals": Json(expected["metadata"])}})).user_id,
        (await users.find_first(where={"metadata": {"path": ["s"], "equals": Json('x"y')}})).user_id,
    ]
    upserted = [
        await users.upsert(
            where={"user_id": "upserted"},
            data={
                "create": {"user_id": "upserted", "metadata": Json({"n": 1})},
                "update": {"metadata": Json({"n": 2})},
            },
        )
        for _ in range(2)
    ]
    seen["upsert"] = [user.metadata for user in upserted]
    seen["create many"] = await users.create_many(
        data=[{"user_id": "values"}, {"user_id": "many"}], skip_duplicates=True
    )
    seen["count"] = await users.count(where={"user_id": {"in": ["values", "many", "none"]}})
    groups = await users.group_by(by=["user_role"], count=True, sum={"spend": True, "tpm_limit": True})
    seen["group by"] = groups
    seen["missing"] = [
        await users.find_unique(where={"user_id": "none"}),
        await users.update(where={"user_id": "none"}, data={"spend": 1}),
    ]
    await db.litellm_budgettable.create(
        data={
            "budget_id": "b",
            "created_by": "t",
            "updated_by": "t",
            "keys": {"create": [{"token": "k", "metadata": Json({"nested": True})}]},
        }
    )
    budget = await db.litellm_budgettable.find_unique(
        where={"budget_id": "b"},
        include={"keys": {"where": {"metadata": {"equals": Json({"nested": True})}}}},
    )
    seen["relation"] = [(key.token, key.metadata) for key in budget.keys]


async def transactions(db):
    users = db.litellm_usertable
    exists = lambda name: users.count(where={"user_id": name})

    async def broken_batch():
        async with db.batch_() as batch:
            batch.litellm_usertable.create(data={"user_id": "batch"})
            batch.litellm_usertable.create(data={"user_id": "values"})

    seen["batch"] = [await fails(broken_batch()), await exists("batch")]
    async with db.batch_() as batch:
        batch.litellm_usertable.create(data={"user_id": "batch"})
        batch.litellm_usertable.update(where={"user_id": "batch"}, data={"spend": {"increment": 2}})
    seen["batch applied"] = (await users.find_unique(where={"user_id": "batch"})).spend

    async with db.tx() as tx:
        await tx.litellm_usertable.create(data={"user_id": "committed"})
        inside = await tx.litellm_usertable.count(where={"user_id": "committed"})
        seen["isolation"] = [inside, await exists("committed")]

    async def rolled_back():
        async with db.tx() as tx:
            await tx.litellm_usertable.create(data={"user_id": "rolled back"})
            raise ValueError

    async def expired():
        async with db.tx(timeout=timedelta(milliseconds=200)) as tx:
            await asyncio.sleep(0.5)
            await tx.litellm_usertable.find_first()

    seen["transactions"] = [
        await exists("committed"),
        await fails(rolled_back()),
        await exists("rolled back"),
        await fails(expired()),
    ]


async def raw(db):
    statement = """
      SELECT 1::int AS int, 9007199254740993::bigint AS bigint, 1.5::numeric AS numeric,
        1.5::float8 AS float, true AS bool, 'x'::text AS text, NULL AS nothing,
        '{"k": [1]}'::jsonb AS jsonb, ARRAY['a', NULL] AS texts, ARRAY[1, 2]::bigint[] AS bigints,
        '2026-01-01'::date AS date, '\\x6869'::bytea AS bytes, 'pg_class'::regclass AS regclass,
        'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'::uuid AS uuid, current_schemas(false) AS names,
        '2026-01-02 03:04:05.678+02'::timestamptz AS time,
        $1::timestamp AS parameter, $2::int AS number
    """
    seen["raw"] = (await db.query_raw(statement, "2026-01-02T03:04:05Z", 7))[0]
    seen["executed"] = await db.execute_raw(
        'UPDATE "LiteLLM_UserTable" SET spend = 9 WHERE user_id = $1', "values"
    )


async def refusals(db):
    users = db.litellm_usertable
    seen["errors"] = [
        await fails(users.create(data={"user_id": "values"})),
        await fails(db.query_raw("SELECT * FROM nowhere")),
        await fails(db.query_raw("SELECT 1; SELECT 2")),
        await fails(db.litellm_usertable.create(data={"user_id": "x", "stranger": 1})),
    ]
    # A batch reports the SQLSTATE in its text only, where LiteLLM looks for it.
    try:
        async with db.batch_() as batch:
            batch.litellm_usertable.create(data={"user_id": "zero \0 byte"})
    except errors.DataError as error:
        seen["batch error"] = 'PostgresError { code: "22021"' in str(error)


async def outage(db):
    async def lose():
        await db.query_raw("SELECT pg_terminate_backend(pg_backend_pid())")

    try:
        await lose()
    except errors.DataError as error:
        seen["lost connection"] = error.code
    seen["after it"] = await db.query_raw("SELECT 1 AS one")


async def main():
    db = Prisma()
    await db.connect()
    try:
        for check in (values, transactions, raw, refusals, outage):
            await check(db)
    finally:
        await db.disconnect()
    seen["password shown"] = os.environ["SECRET"] in json.dumps(seen, default=str)
    json.dump(seen, sys.stdout)


asyncio.run(main())
