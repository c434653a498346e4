import type { Call } from "../base/call.js";
import { Failure } from "../base/failure.js";
import type { DagHash } from "../spec/dag-hash.js";
import { type BuildcacheIndex, encodeIndex, restrictIndex } from "./index-document.js";
import { type IndexResult, type UpdateIndexOptions, updateIndex } from "./index-update.js";
import type { ObjectStore } from "./object-store.js";
import { urlCache } from "./url-cache.js";
import { viewOfIndexManifest } from "./url-layout-v3.js";

/** An index of a choice of packages, beside that of all. */
export interface ViewIndex {
  /** Makes it name what it named when it was first read, and what others added since, but not these packages. */
  leaveOut(gone: ReadonlySet<DagHash>): Promise<void>;
}

/** The views among the manifests of a mirror. One that cannot be read is told, and left as it is. */
export async function viewIndices(
  store: ObjectStore,
  paths: readonly string[],
  call: Call,
): Promise<readonly ViewIndex[]> {
  const views = paths.flatMap((path) => viewOfIndexManifest(path) ?? []);
  const found = await Promise.all(views.map((view) => openView(view)));
  return found.flatMap((view) => view ?? []);

  async function openView(view: string): Promise<ViewIndex | undefined> {
    const { index } = urlCache(store, { view });
    try {
      const first = (await index.read(call))?.index;
      return { leaveOut: (gone) => leaveOut(gone, first) };
    } catch (error) {
      if (!(error instanceof Failure) || (error.kind !== "corrupt" && error.code !== "oci.blob-missing"))
        throw error;
      call.report?.({
        type: "note",
        level: "warning",
        message: `view ${view} is left as it is: ${error.message}`,
      });
      return undefined;
    }

    async function leaveOut(gone: ReadonlySet<DagHash>, first: BuildcacheIndex | undefined): Promise<void> {
      const current = (await index.read(call))?.index;
      if (current === undefined || first === undefined) return;
      const present = new Set([...first.present, ...current.present].filter((hash) => !gone.has(hash)));
      if (present.size === current.present.size && [...present].every((hash) => current.present.has(hash)))
        return;
      await index.write(
        encodeIndex(restrictIndex(new Map([...first.nodes, ...current.nodes]), present)),
        call,
      );
    }
  }
}

export interface ViewOptions extends UpdateIndexOptions {
  /** What it shall name, of what there is. */
  readonly hashes: ReadonlySet<DagHash>;
  /** What happens to one that is there; without it that is refused. */
  readonly existing?: "append" | "replace" | undefined;
}

/**
 * Writes the index of a choice of packages.
 * @throws Failure `buildcache.view-exists`, `buildcache.view-invalid`
 */
export async function updateView(
  store: ObjectStore,
  view: string,
  { hashes, existing, ...options }: ViewOptions,
): Promise<IndexResult> {
  if (view.split("/").some((part) => !/^\w[\w.+-]*$/.test(part)))
    throw new Failure("usage", `"${view}" is no name of a view`, {
      code: "buildcache.view-invalid",
      subject: view,
      hint: "Write letters, digits, dots and dashes; slashes between them.",
    });
  const cache = urlCache(store, { view });
  if (existing === undefined && (await cache.index.state(options)) !== undefined)
    throw new Failure("conflict", `${store.label} has a view ${view} already`, {
      code: "buildcache.view-exists",
      subject: view,
      hint: "Give --append to add to it, or --force to replace it.",
    });
  // A view is all that tells what it should name: of two who add to it at once, one may be lost, as with Spack's.
  const known = existing === "append" ? (await cache.index.read(options))?.index.present : undefined;
  const packages = async (call?: Call): Promise<ReadonlyMap<DagHash, string>> =>
    new Map(
      [...(await cache.packages(call))].filter(([hash]) => hashes.has(hash) || known?.has(hash) === true),
    );
  return updateIndex({ ...cache, packages }, options);
}
