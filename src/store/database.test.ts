import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { utf8 } from "../base/bytes.js";
import { decodeDatabase, encodeDatabase, withRecords } from "./database.js";

const index = new URL("../../../shared/fixtures/python-stack.index.json", import.meta.url);
const record = (extra: object) => ({
  database: {
    version: "8",
    installs: {
      "5xfxwrgrx3v2jqtmavziwluq3o2wp6x4": {
        spec: {
          name: "bzip2",
          version: "1.0.8",
          arch: { platform: "linux", platform_os: "debian12", target: "x86_64" },
          namespace: "builtin",
          parameters: {},
          hash: "5xfxwrgrx3v2jqtmavziwluq3o2wp6x4",
        },
        ref_count: 0,
        path: "/opt/\u00fc",
        installed: true,
        explicit: false,
        installation_time: 1795330413.1510108,
        deprecated_for: null,
        ...extra,
      },
    },
  },
});
const encode = (value: unknown) => utf8(JSON.stringify(value));

const stores = ["1.3", "0.23", "0.21"].map(
  (version) => new URL(`../../../shared/fixtures/store-${version}.tar.gz`, import.meta.url).pathname,
);

test.each(stores.filter((store) => existsSync(store)))(
  "the database of %s comes out as it went in",
  (store) => {
    const { stdout } = spawnSync("tar", ["-xzOf", store, "--wildcards", "*/.spack-db/index.json"]);
    expect(encodeDatabase(decodeDatabase(stdout, store))).toBe(stdout.toString("utf8"));
  },
);

test.skipIf(!existsSync(index))("ref_count is what Spack counted", () => {
  const before: unknown = JSON.parse(readFileSync(index, "utf8"));
  expect(JSON.parse(encodeDatabase(decodeDatabase(encode(before), "index.json")))).toEqual(before);
});

test("unknown keys of a record stay, in their place, and text is written in ASCII", () => {
  const before = record({ origin: "external-db", added_later: { a: 1 } });
  const text = encodeDatabase(decodeDatabase(encode(before), "index.json"));
  expect(text).toContain('"/opt/\\u00fc"');
  expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(before));
});

test("ref_count is counted when the database is written, not believed", () => {
  const database = decodeDatabase(encode(record({ ref_count: 7 })), "index.json");
  const [only] = database.records.values();
  if (only === undefined) throw new Error("the record is lost");
  const written: unknown = JSON.parse(encodeDatabase(withRecords(database, [{ ...only, explicit: true }])));
  expect(written).toMatchObject({
    database: { installs: { [only.spec.hash]: { ref_count: 0, explicit: true } } },
  });
});

test("a record of a build cache's index is written without a prefix", () => {
  const { database } = record({});
  const [[hash, { spec }] = ["", { spec: undefined }]] = Object.entries(database.installs);
  const before = {
    database: { version: "8", installs: { [hash]: { spec, ref_count: 0, in_buildcache: true } } },
  };
  expect(JSON.parse(encodeDatabase(decodeDatabase(encode(before), "index.json")))).toEqual(before);
});

test.each([
  ["{", /FILE is not JSON/],
  ["[]", /FILE: the document should be an object/],
  ['{"database":{}}', /FILE: database.version is missing/],
  ['{"database":{"version":"8","installs":{"x":{}}}}', /database.installs.x is not the name of a record/],
])("a damaged database is refused by name: %s", (text, message) => {
  expect(() => decodeDatabase(utf8(text), "FILE")).toThrow(
    expect.objectContaining({ code: "store.database-corrupt", message: expect.stringMatching(message) }),
  );
});

test("a database of an unknown version is refused", () => {
  expect(() => decodeDatabase(utf8('{"database":{"version":"9","installs":{}}}'), "FILE")).toThrow(
    expect.objectContaining({ code: "store.database-version" }),
  );
});
