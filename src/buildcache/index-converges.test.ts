import fc from "fast-check";
import { expect, test } from "vitest";
import { graphOf, makePackage, storePackage } from "../../test/support/packages.js";
import { createMemoryRegistry } from "../oci/memory.js";
import { parseRepositoryName } from "../oci/reference.js";
import type { Repository } from "../oci/repository.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import { updateIndex } from "./index-update.js";
import { ociCache, readIndex } from "./oci-cache.js";

const numRuns = process.env["STOWAGE_SOAK"] ? 5000 : 100;

const zlib = makePackage("zlib", "1.3");
const packages = Array.from({ length: 12 }, (_, i) => makePackage(`package-${i}`, "1.0", [zlib]));

class Killed extends Error {}

interface Interleaving {
  /** Lets the others do as much as they will before the next request goes out. */
  readonly pause: (what: string) => Promise<void>;
  /** After so many requests the process is no more. */
  readonly killAfter?: number | undefined;
}

/** A repository whose every request may be overtaken by others'. */
function interleaved(
  repository: Repository,
  { pause, killAfter = Number.POSITIVE_INFINITY }: Interleaving,
): Repository {
  let requests = 0;
  const before = async (what: string): Promise<void> => {
    await pause(what);
    requests += 1;
    if (requests > killAfter) throw new Killed();
  };
  const { manifests } = repository;
  return {
    ...repository,
    manifests: {
      ...manifests,
      stat: async (reference, call) => {
        await before("stat");
        return manifests.stat(reference, call);
      },
      read: async (reference, call) => {
        await before("read");
        return manifests.read(reference, call);
      },
      write: async (manifest, call) => {
        await before("write");
        return manifests.write(manifest, call);
      },
    },
    async *tags(call) {
      await before("tags");
      yield* repository.tags(call);
    },
  };
}

async function pushAndUpdate(
  repository: Repository,
  pushes: readonly ConcreteSpec[],
  scheduler: fc.Scheduler,
): Promise<void> {
  for (const spec of pushes) await storePackage(repository, graphOf(spec, [zlib]));
  await updateIndex(ociCache(repository), {
    clock: { now: () => 0, sleep: () => scheduler.schedule(Promise.resolve(), "sleep") },
    random: () => 0.5,
    jobs: 1,
  });
}

async function expectComplete(repository: Repository): Promise<void> {
  const tagged: string[] = [];
  for await (const tag of repository.tags()) if (tag.startsWith("package-")) tagged.push(tag);
  const stored = await readIndex(repository);
  const indexed = packages.filter(({ hash }) => stored?.index.present.has(hash));
  expect(indexed.map(({ name, hash }) => `${name}-1.0-${hash}.spack`).sort()).toEqual(tagged.sort());
}

/** What each of 2 to 4 writers pushes: 0 to 3 packages, each by one of them. */
const writers = fc
  .array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 4 })
  .map((counts) => counts.map((count, i) => packages.slice(i * 3, i * 3 + count)));

test("whatever overtakes what, when all writers have ended the index lacks no package", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), writers, async (scheduler, pushes) => {
      const repository = createMemoryRegistry().repository(parseRepositoryName("cache"));
      const pause = (what: string): Promise<void> => scheduler.schedule(Promise.resolve(), what);
      const running = Promise.all(
        pushes.map((mine) => pushAndUpdate(interleaved(repository, { pause }), mine, scheduler)),
      );
      await scheduler.waitFor(running);
      await expectComplete(repository);
    }),
    { numRuns },
  );
});

test("where writers were killed, the next one that lives makes the index complete", async () => {
  const killed = fc.integer({ min: 1, max: 12 });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), writers, killed, async (scheduler, pushes, killAfter) => {
      const repository = createMemoryRegistry().repository(parseRepositoryName("cache"));
      const pause = (what: string): Promise<void> => scheduler.schedule(Promise.resolve(), what);
      const running = Promise.all(
        pushes.map(async (mine, i) => {
          const victim = i % 2 === 0 ? killAfter : undefined;
          try {
            await pushAndUpdate(interleaved(repository, { pause, killAfter: victim }), mine, scheduler);
          } catch (error) {
            if (!(error instanceof Killed)) throw error;
          }
        }),
      );
      await scheduler.waitFor(running);
      await updateIndex(ociCache(repository), {
        clock: { now: () => 0, sleep: async () => {} },
        random: () => 0.5,
      });
      await expectComplete(repository);
    }),
    { numRuns },
  );
});
