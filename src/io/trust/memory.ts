import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Failure } from "../../base/failure.js";
import type { Report } from "../../base/progress.js";
import type { Repository } from "../../oci/repository.js";
import type { IndexMemory, VerifiedMemory } from "../../trust/policy-verifier.js";
import { writeAtomically } from "../disk/atomic.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";

/** What was verified before: a line each, below `root`. A line that is not whole counts for nothing. */
export function openVerifiedMemory(
  root: string,
  { report }: { report?: Report | undefined },
): VerifiedMemory {
  const path = join(root, "verified");
  const nameOf = (what: string): string => createHash("sha256").update(what).digest("hex");
  let known: Promise<Set<string>> | undefined;
  const read = (): Promise<Set<string>> => {
    known ??= readText(path).then(
      (text) => new Set((text ?? "").split("\n").filter((line) => line.length === 64)),
    );
    return known;
  };
  return {
    has: async (what) => (await read()).has(nameOf(what)),
    async add(what) {
      const name = nameOf(what);
      const lines = await read();
      if (lines.has(name)) return;
      lines.add(name);
      // It is verified again the next time, that is all.
      await kept(path, report, () => appendFile(path, `${name}\n`));
    },
  };
}

/** The newest index seen of each repository: a file each, below `root`. */
export function openIndexMemory(root: string, { report }: { report?: Report | undefined }): IndexMemory {
  const pathOf = ({ registry, name }: Repository): string =>
    join(root, "indices", createHash("sha256").update(`${registry}/${name}`).digest("hex"));
  return {
    async read(repository) {
      const path = pathOf(repository);
      const text = await readText(path);
      if (text === undefined) return undefined;
      const counter = Number(text.trim());
      if (Number.isSafeInteger(counter) && counter > 0) return counter;
      throw new Failure("corrupt", `${path} should hold the newest index seen, and holds something else`, {
        code: "trust.memory-broken",
        subject: path,
        hint: "Remove it if you know why; what is then served as the index is taken as the newest.",
      });
    },
    async write(repository, counter) {
      const path = pathOf(repository);
      // Another process may have seen a newer one meanwhile.
      const seen = Number((await readText(path)) ?? 0);
      if (seen >= counter) return;
      await kept(path, report, () => writeAtomically(path, `${counter}\n`, { sync: true }));
    },
  };
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw diskFailure(error, { doing: "read", path });
  }
}

/** A cache that cannot be written is said, and stops nothing. */
async function kept(path: string, report: Report | undefined, write: () => Promise<void>): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await write();
  } catch (cause) {
    const failure = diskFailure(cause, { doing: "write", path });
    if (!(failure instanceof Failure)) throw failure;
    report?.({
      type: "note",
      level: "warning",
      message: `${failure.message}; what was verified is not remembered`,
    });
  }
}
