import { expect, test } from "vitest";

import { chooseNames } from "../../../tools/access/entry-names.ts";

const UUID = "aebe9788-b888-4d2c-afa6-4e4783866de6";

function name(things: Record<string, string | undefined>, known?: Record<string, string>) {
  const named = chooseNames(
    Object.entries(things).map(([id, label]) => ({ id, label })),
    new Map(Object.entries(known ?? {})),
  );
  return Object.fromEntries(named);
}

test("an id that is a name stays", () => {
  expect(name({ search: "Search", "ana@example.com": "Ana", "v1.2_x": undefined })).toEqual({
    search: "search",
    "ana@example.com": "ana@example.com",
    "v1.2_x": "v1.2_x",
  });
});

test("an id that LiteLLM has made up gives way to what people say", () => {
  expect(name({ [UUID]: "Übersetzung & Co" })).toEqual({ [UUID]: "Ubersetzung-Co" });
  expect(name({ [UUID]: undefined })).toEqual({ [UUID]: UUID });
  expect(name({ [UUID]: "团队" })).toEqual({ [UUID]: UUID });
});

test("what the settings do not take as a name is written in characters that they do", () => {
  expect(name({ "ana laptop": undefined, "a/b c": undefined, "-x-": undefined })).toEqual({
    "ana laptop": "ana-laptop",
    "a/b c": "a-b-c",
    "-x-": "x",
  });
  expect(name({ 团队: "Team A" })).toEqual({ 团队: "Team-A" });
  expect(name({ 团队: undefined })).toEqual({ 团队: "unnamed" });
  expect(name({ ["x".repeat(150)]: undefined })).toEqual({ ["x".repeat(150)]: "x".repeat(90) });
});

test("two of one name are told apart, whatever the order in which they are found", () => {
  const named = { "a b": "a-b", "a/b": "a-b-2", "a?b": "a-b-3" };
  expect(name({ "a b": undefined, "a/b": undefined, "a?b": undefined })).toEqual(named);
  expect(name({ "a?b": undefined, "a/b": undefined, "a b": undefined })).toEqual(named);
});

test("what the settings have already keeps its name there, and nobody else gets it", () => {
  expect(name({ s1: undefined, search: undefined }, { s1: "search" })).toEqual({
    s1: "search",
    search: "search-2",
  });
});
