import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkIndex } from "../../src/index.js";
import { cli } from "../support/cli.js";
import { spackRoot } from "../support/fixtures.js";
import { pushingMachine } from "../support/push.js";
import { seeded } from "../support/seeded.js";

const machine = pushingMachine();
afterAll(() => machine[Symbol.dispose]());
const mirrorOf = (name: string): string => join(machine.path, name);

/** What a push that nothing disturbs leaves, and how long it takes (milliseconds). */
let wanted: ReadonlyMap<string, string>;
let duration = 0;

function startPush(name: string): ChildProcess {
  const args = ["buildcache", "push", "--store", spackRoot, "--sysroot", machine.locate("/"), "-j", "2"];
  return spawn(
    process.execPath,
    [cli, ...args, "--unsigned", "--update-index", "-q", mirrorOf(name), "greet"],
    {
      env: {
        PATH: process.env["PATH"],
        HOME: machine.home,
        SPACK_USER_CONFIG_PATH: join(machine.home, "spack"),
      },
      stdio: "ignore",
    },
  );
}

async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "close");
  return child.exitCode;
}

/** Files of a mirror with their content, but what a killed process was about to write, and index blobs of before. */
function contentOf(name: string): Map<string, string> {
  const root = mirrorOf(name);
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".tmp"))
    .map((entry) => join(entry.parentPath, entry.name));
  const all = files.map((file) => [file.slice(root.length + 1), readFileSync(file, "latin1")] as const);
  return new Map(all.filter(([, content]) => !content.startsWith('{"database"')).sort());
}

beforeAll(async () => {
  const start = performance.now();
  expect(await ended(startPush("undisturbed"))).toBe(0);
  duration = performance.now() - start;
  wanted = contentOf("undisturbed");
});

const seeds = Array.from({ length: process.env["STOWAGE_SOAK"] ? 60 : 4 }, (_, i) => i + 1);

test.each(seeds)(
  "a push to a directory that is killed leaves nothing half-written (seed %i)",
  async (seed) => {
    const random = seeded(seed);
    const name = `killed${seed}`;
    const child = startPush(name);
    // Its first half is Node that starts.
    await sleep(duration * (0.4 + 0.6 * random()));
    child.kill("SIGKILL");
    await ended(child);
    mkdirSync(mirrorOf(name), { recursive: true });
    const before = await checkIndex(mirrorOf(name), {
      home: machine.home,
      env: {},
      blobs: true,
      checkSignature: false,
    });
    expect(before.broken).toEqual([]);
    expect(before.missing).toEqual([]);

    expect(await ended(startPush(name))).toBe(0);
    expect(contentOf(name)).toEqual(wanted);
    const after = await checkIndex(mirrorOf(name), {
      home: machine.home,
      env: {},
      blobs: true,
      checkSignature: false,
    });
    expect(after).toMatchObject({ exists: true, missing: [], unindexed: [], broken: [] });
  },
);
