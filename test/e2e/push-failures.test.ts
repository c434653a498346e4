import { spawnSync } from "node:child_process";
import { chmodSync, renameSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Request } from "../../src/server/http.js";
import type { Fault } from "../support/faults.js";
import { spackRoot } from "../support/fixtures.js";
import { type PushingMachine, pushingMachine } from "../support/push.js";
import { startRegistry } from "../support/registry.js";

let machine: PushingMachine;
beforeAll(() => {
  machine = pushingMachine();
});
afterAll(() => machine[Symbol.dispose]());

const prefixOf = (name: string): string => machine.locate(`${spackRoot}/linux-x86_64/${name}`);
const bzip2 = "bzip2-1.0.8-5xfxwrgrx3v2jqtmavziwluq3o2wp6x4";

const namesOf = (packages: readonly { readonly name: string }[]): string[] =>
  packages.map(({ name }) => name).sort();

describe("what fails for one package is named, and the others are pushed", () => {
  test("a prefix that is not on disk; the next run pushes the rest alone", async () => {
    await using registry = await startRegistry();
    const mirror = `oci+http://${registry.host}/cache`;
    renameSync(prefixOf(bzip2), `${prefixOf(bzip2)}.gone`);
    try {
      const result = await machine.push(mirror, { specs: ["greet"] });
      expect(namesOf(result.pushed)).toEqual(["gcc-runtime", "greet-data", "libgreet", "zlib"]);
      const failures = Object.fromEntries(result.failed.map(({ name, failure }) => [name, failure]));
      expect(failures["bzip2"]).toMatchObject({ code: "disk.missing", kind: "not-found" });
      expect(failures["bzip2"]?.message).toContain(bzip2);
      expect(failures["greet"]).toMatchObject({ code: "push.dependency-failed" });
      expect(failures["greet"]?.message).toContain("bzip2@1.0.8/5xfxwrg");
    } finally {
      renameSync(`${prefixOf(bzip2)}.gone`, prefixOf(bzip2));
    }
    const rest = await machine.push(mirror, { specs: ["greet"] });
    expect(namesOf(rest.pushed)).toEqual(["bzip2", "greet"]);
    expect(namesOf(rest.present)).toEqual(["gcc-runtime", "greet-data", "libgreet", "zlib"]);
  });

  test("with --fail-fast the others are stopped, and only the first is told", async () => {
    await using registry = await startRegistry();
    renameSync(prefixOf(bzip2), `${prefixOf(bzip2)}.gone`);
    try {
      const result = await machine.push(`oci+http://${registry.host}/cache`, {
        specs: ["greet"],
        failFast: true,
        jobs: 1,
      });
      expect(result.failed.map(({ failure }) => failure.code)).toEqual(["disk.missing"]);
      expect(result.pushed.map(({ name }) => name)).not.toContain("greet");
    } finally {
      renameSync(`${prefixOf(bzip2)}.gone`, prefixOf(bzip2));
    }
  });

  // The superuser may read everything, so another user pushes.
  const isRoot = process.getuid?.() === 0;
  test("a file that may not be read", async () => {
    await using registry = await startRegistry();
    const file = join(prefixOf(bzip2), "include/bzlib.h");
    chmodSync(file, 0);
    try {
      const program = [
        ...(isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []),
        process.execPath,
      ];
      if (isRoot) spawnSync("chown", ["-R", "65534:65534", machine.path]);
      const result = await machine.pushAs(program, `oci+http://${registry.host}/cache`, "greet");
      expect(namesOf(result.pushed)).toEqual(["gcc-runtime", "greet-data", "libgreet", "zlib"]);
      const failure = result.failed.find(({ name }) => name === "bzip2")?.failure;
      expect(failure).toMatchObject({ code: "disk.denied", kind: "denied", subject: file });
    } finally {
      chmodSync(file, 0o644);
    }
  });
});

test("a compression level that does not exist is refused", async () => {
  await expect(machine.push("oci+http://127.0.0.1:1/cache", { compressionLevel: 10 })).rejects.toMatchObject({
    kind: "usage",
    code: "push.compression-level",
  });
});

describe("a registry that takes nothing is named, with what to do", () => {
  const answers: readonly (readonly [string, Fault, { code: string; kind: string }])[] = [
    [
      "a mirror of another registry (405)",
      { status: 405, body: '{"errors":[{"code":"UNSUPPORTED","message":"read-only"}]}' },
      { code: "oci.push-unsupported", kind: "denied" },
    ],
    [
      "no right to push (403)",
      { status: 403, body: '{"errors":[{"code":"DENIED","message":"permission denied"}]}' },
      { code: "registry.denied", kind: "denied" },
    ],
    [
      "a used-up quota (403 DENIED, as Harbor says it)",
      { status: 403, body: '{"errors":[{"code":"DENIED","message":"adding 3 MiB would exceed the quota"}]}' },
      { code: "registry.denied", kind: "denied" },
    ],
    ["a used-up disk (507)", { status: 507 }, { code: "registry.no-space", kind: "unavailable" }],
    [
      "a limit of what a request may be (413)",
      { status: 413 },
      { code: "oci.blob-too-large", kind: "unsupported" },
    ],
  ];
  const isUpload = ({ method, path }: Request): boolean =>
    (method === "POST" || method === "PUT" || method === "PATCH") && path.includes("/blobs/");
  test.each(answers)("%s", async (_, fault, wanted) => {
    await using registry = await startRegistry({
      fault: (request) => (isUpload(request) ? fault : undefined),
    });
    const result = await machine.push(`oci+http://${registry.host}/cache`, { specs: ["bzip2"] });
    expect(result.pushed).toEqual([]);
    const failure = result.failed.find(({ name }) => name === "bzip2")?.failure;
    expect(failure).toMatchObject({ ...wanted, hint: expect.any(String) });
    expect(failure?.message).toContain(registry.host);
  });

  test("a registry that is read-only", async () => {
    await using registry = await startRegistry({ readOnly: true });
    const result = await machine.push(`oci+http://${registry.host}/cache`, { specs: ["bzip2"] });
    expect(result.failed[0]?.failure).toMatchObject({ kind: "denied", hint: expect.any(String) });
  });
});
