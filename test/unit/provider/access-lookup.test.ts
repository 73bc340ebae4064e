import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Lookup } from "../../../components/provider/access/lookup.ts";

const { signal } = new AbortController();

/** What is there, and how it was asked for. */
function startSource(ids: readonly string[] = ["a", "b", "c", "d", "e"]) {
  const things = new Map(ids.map((id) => [id, `first ${id}`]));
  const found: string[] = [];
  let lists = 0;
  let answerList = (): Promise<ReadonlyMap<string, string> | undefined> =>
    Promise.resolve(new Map(things));
  const lookup = new Lookup<string>({
    find(id) {
      found.push(id);
      return Promise.resolve(things.get(id));
    },
    list() {
      lists++;
      return answerList();
    },
  });
  return {
    lookup,
    things,
    /** Ids that were asked for one by one. */
    found,
    countLists: () => lists,
    set list(answer: typeof answerList) {
      answerList = answer;
    },
    /** Asks for what is not looked at, until there is a list. */
    async fill() {
      for (const id of ["a", "b", "c"]) await lookup.find(id, signal);
      found.length = 0;
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});

afterEach(() => {
  vi.useRealTimers();
});

test("one or two are asked for one by one, the third brings all", async () => {
  const { lookup, found, countLists } = startSource();
  expect(await lookup.find("a", signal)).toBe("first a");
  expect(await lookup.find("b", signal)).toBe("first b");
  expect(countLists()).toBe(0);
  for (const id of ["c", "d", "e", "a"]) expect(await lookup.find(id, signal)).toBe(`first ${id}`);
  expect(found).toEqual(["a", "b"]);
  expect(countLists()).toBe(1);
});

test("who asks now and then is never answered from a list", async () => {
  const { lookup, found, countLists } = startSource();
  for (const id of ["a", "b", "c", "d"]) {
    await lookup.find(id, signal);
    vi.advanceTimersByTime(3000);
  }
  expect(found).toHaveLength(4);
  expect(countLists()).toBe(0);
});

test("a list is fresh for five seconds after it came", async () => {
  const source = startSource();
  await source.fill();
  source.things.set("d", "second d");
  vi.advanceTimersByTime(4900);
  expect(await source.lookup.find("d", signal)).toBe("first d");
  expect(await source.lookup.findNow("d", signal)).toBe("second d");
  vi.advanceTimersByTime(200);
  expect(await source.lookup.find("d", signal)).toBe("second d");
});

test("what is not in the list is asked for before it is said to be gone", async () => {
  const source = startSource();
  await source.fill();
  source.things.set("new", "new");
  expect(await source.lookup.find("new", signal)).toBe("new");
  expect(await source.lookup.find("gone", signal)).toBeUndefined();
  expect(source.found).toEqual(["new", "gone"]);
});

test("what was changed here is asked for itself, by any list since", async () => {
  const source = startSource();
  await source.fill();
  source.lookup.forget("d");
  source.things.set("d", "second d");
  expect(await source.lookup.find("d", signal)).toBe("second d");
  vi.advanceTimersByTime(6000);
  await source.fill();
  expect(source.countLists()).toBe(2);
  source.things.set("d", "third d");
  expect(await source.lookup.find("d", signal)).toBe("third d");
  expect(await source.lookup.find("e", signal)).toBe("first e");
  expect(source.found).toEqual(["d"]);
});

test("what is changed while the list is under way is not taken from it", async () => {
  const source = startSource();
  await source.lookup.find("a", signal);
  await source.lookup.find("b", signal);
  const before = new Map(source.things);
  let finish = () => {};
  source.list = () =>
    new Promise((resolve) => {
      finish = () => {
        resolve(before);
      };
    });
  const finding = source.lookup.find("d", signal);
  source.lookup.forget("d");
  source.things.set("d", "second d");
  finish();
  expect(await finding).toBe("second d");
});

test("several who ask at once list once, however long that takes", async () => {
  const source = startSource();
  await source.lookup.find("a", signal);
  await source.lookup.find("b", signal);
  let finish = () => {};
  source.list = () =>
    new Promise((resolve) => {
      finish = () => {
        resolve(new Map(source.things));
      };
    });
  const early = ["c", "d"].map((id) => source.lookup.find(id, signal));
  vi.advanceTimersByTime(9000);
  const late = source.lookup.find("e", signal);
  finish();
  expect(await Promise.all([...early, late])).toEqual(["first c", "first d", "first e"]);
  expect(source.countLists()).toBe(1);
});

test("where there are too many to list, each is asked for, and no list again", async () => {
  const source = startSource();
  source.list = () => Promise.resolve(undefined);
  for (const id of ["a", "b", "c", "d", "e"]) {
    expect(await source.lookup.find(id, signal)).toBe(`first ${id}`);
  }
  expect(source.found).toHaveLength(5);
  expect(source.countLists()).toBe(1);
});

test("a list that fails is an error for who waits for it, and the next asks again", async () => {
  const source = startSource();
  await source.lookup.find("a", signal);
  await source.lookup.find("b", signal);
  source.list = () => Promise.reject(new Error("no list"));
  await expect(source.lookup.find("c", signal)).rejects.toThrow("no list");
  source.list = () => Promise.resolve(new Map(source.things));
  expect(await source.lookup.find("c", signal)).toBe("first c");
  expect(source.countLists()).toBe(2);
});

test("who is cancelled takes nobody else along", async () => {
  const source = startSource();
  await source.lookup.find("a", signal);
  await source.lookup.find("b", signal);
  const cancellation = new AbortController();
  source.list = () =>
    new Promise((_, reject) => {
      cancellation.signal.addEventListener("abort", () => {
        reject(cancellation.signal.reason as Error);
      });
    });
  const cancelled = source.lookup.find("c", cancellation.signal);
  const other = source.lookup.find("d", signal);
  cancellation.abort(new Error("cancelled"));
  await expect(cancelled).rejects.toThrow("cancelled");
  expect(await other).toBe("first d");
});

test("what was seen to be there is not asked for again, until it is touched here", async () => {
  const { lookup, things, found } = startSource();
  expect(await lookup.has("a", signal)).toBe(true);
  expect(await lookup.has("a", signal)).toBe(true);
  expect(found).toEqual(["a"]);
  things.delete("a");
  lookup.forget("a");
  expect(await lookup.has("a", signal)).toBe(false);
  expect(await lookup.has("a", signal)).toBe(false);
  expect(found).toEqual(["a", "a", "a"]);
});

test("what was made here is there without a question", async () => {
  const { lookup, found } = startSource();
  lookup.forget("new");
  lookup.confirm("new");
  expect(await lookup.has("new", signal)).toBe(true);
  expect(found).toEqual([]);
});

test("what is deleted while it is asked for is not remembered as there", async () => {
  const { lookup, things } = startSource();
  const asked = lookup.has("a", signal);
  lookup.forget("a");
  expect(await asked).toBe(true);
  things.delete("a");
  expect(await lookup.has("a", signal)).toBe(false);
});
