import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseDagHash } from "../../spec/dag-hash.js";
import { openLockFile } from "./lock-file.js";
import { lock, packageLockOffset, packageLockRange, wholeFile } from "./locks.js";

const hash = parseDagHash("fnjwovnnel7zse6f4ljr3y6budjlpyrd");
const hasPython = spawnSync("python3", ["-c", "import fcntl"]).status === 0;

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "locks-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A process that locks as Spack does, and tells when. */
async function python(
  path: string,
  what: string,
): Promise<{ pid: number | undefined; end(): Promise<void> }> {
  const child = spawn("python3", [
    "-c",
    `import fcntl, sys; f = open(${JSON.stringify(path)}, "a+"); fcntl.lockf(f, ${what}); print("held", flush=True); sys.stdin.read()`,
  ]);
  const [said] = await Promise.race([once(child.stdout, "data"), once(child, "close")]);
  expect(String(said)).toMatch(/^held/);
  return {
    pid: child.pid,
    end: async () => {
      child.stdin.end();
      await once(child, "close");
    },
  };
}
const pythonGets = (path: string, what: string): boolean =>
  spawnSync("python3", [
    "-c",
    `import fcntl; fcntl.lockf(open(${JSON.stringify(path)}, "a+"), ${what} | fcntl.LOCK_NB)`,
  ]).status === 0;

test("a package's byte is the one Spack locks", () => {
  expect(packageLockOffset(hash)).toBe(1560976292186259404n);
});

test.skipIf(!hasPython)("we wait for Python's locks, and say which process holds one", async () => {
  const path = join(directory, "lock");
  const holder = await python(path, `fcntl.LOCK_EX, 1, ${packageLockOffset(hash)}`);
  const file = await openLockFile(path);
  await expect(lock(file, packageLockRange(hash), { timeout: 30, subject: "greet" })).rejects.toMatchObject({
    code: "store.locked",
    message: expect.stringMatching(new RegExp(`^greet is locked by process ${holder.pid} \\(.*python3 `)),
  });
  const next = { ...packageLockRange(hash), start: packageLockOffset(hash) + 1n };
  expect(await file.tryLock(next)).toBeUndefined();
  const waiting = lock(file, packageLockRange(hash), { timeout: 10_000, subject: "greet" });
  await holder.end();
  await waiting;
  await file.close();
});

test.skipIf(!hasPython)("Python waits for our locks, though the file is read meanwhile", async () => {
  const path = join(directory, "lock");
  const file = await openLockFile(path);
  expect(await file.tryLock(wholeFile(false))).toBeUndefined();
  readFileSync(path);
  expect(pythonGets(path, "fcntl.LOCK_SH")).toBe(true);
  expect(pythonGets(path, "fcntl.LOCK_EX")).toBe(false);
  await file.close();
  expect(pythonGets(path, "fcntl.LOCK_EX")).toBe(true);
});

test("two openings in one process exclude each other, and the holder is named", async () => {
  const path = join(directory, "lock");
  const [one, two] = [await openLockFile(path), await openLockFile(path)];
  expect(await one.tryLock(wholeFile(true))).toBeUndefined();
  await expect(lock(two, wholeFile(true), { timeout: 0, subject: "it" })).rejects.toMatchObject({
    message: expect.stringContaining(`process ${process.pid} `),
  });
  await one.close();
  expect(await two.tryLock(wholeFile(true))).toBeUndefined();
  await two.close();
});

test.skipIf(!hasPython)(
  "the helper in Python takes the same locks, and lets go when it is closed",
  async () => {
    const path = join(directory, "lock");
    const [helped, native] = [await openLockFile(path, { native: false }), await openLockFile(path)];
    expect(await native.tryLock(packageLockRange(hash))).toBeUndefined();
    expect(await helped.tryLock(packageLockRange(hash))).toEqual({ pid: undefined });
    await native.close();
    expect(await helped.tryLock(packageLockRange(hash))).toBeUndefined();
    expect(pythonGets(path, "fcntl.LOCK_EX")).toBe(false);
    await helped.close();
    expect(pythonGets(path, "fcntl.LOCK_EX")).toBe(true);
  },
);

test("without koffi and python3 a lock is refused, not passed over", async () => {
  const { PATH } = process.env;
  process.env["PATH"] = directory;
  try {
    await expect(openLockFile(join(directory, "lock"), { native: false })).rejects.toMatchObject({
      code: "store.locks-unavailable",
    });
  } finally {
    process.env["PATH"] = PATH;
  }
});
