import { type Call, checkInterrupted } from "../base/call.js";
import { Failure, type FailureDocument } from "../base/failure.js";
import { mapLimited } from "../base/limit.js";
import { readEntry } from "../buildcache/entry.js";
import type { Digest } from "../oci/digest.js";
import type { Tag } from "../oci/reference.js";
import { noFacts } from "../sbom/facts.js";
import type { SbomFormat } from "../sbom/sbom.js";
import { openContext, type StowageOptions } from "./context.js";
import { factsInLayer } from "./known-facts.js";
import { type NamedPackages, namedPackages } from "./named-packages.js";
import { openRegistries } from "./registries.js";
import { attachPackageSbom, sbomTime } from "./sbom-making.js";

export interface AttachSbomsOptions extends NamedPackages, StowageOptions {
  /** `spdx` by default. */
  readonly format?: SbomFormat | undefined;
  /** Attach one where there is one already, too. */
  readonly force?: boolean | undefined;
  /** Read from each package's tarball what its recipe says of its sources: all of it is fetched and verified. */
  readonly readLayers?: boolean | undefined;
}

export interface AttachSbomsResult {
  readonly mirror: string;
  readonly attached: readonly BilledTag[];
  /** What had one in this format. */
  readonly present: readonly BilledTag[];
  readonly failed: readonly { readonly tag: string; readonly failure: FailureDocument }[];
}

export interface BilledTag {
  readonly tag: string;
  /** Of the manifest that it is about. */
  readonly digest: Digest;
}

/** As many packages are looked at at once: each waits for the registry nearly all of the time. */
const defaultJobs = 16;

/**
 * Attaches bills of materials to packages that a mirror has.
 *
 * What fails is in the result, and the rest is done all the same.
 * @throws Failure `mirror.*`, `sbom.nothing-asked` for what stops all of it
 */
export async function attachSboms(
  mirrorName: string,
  options: AttachSbomsOptions,
): Promise<AttachSbomsResult> {
  const { specs = [], all = false, format = "spdx", force, readLayers = false } = options;
  if (specs.length === 0 && !all)
    throw new Failure("usage", "no package was named", {
      code: "sbom.nothing-asked",
      hint: "Name specs, or give --all.",
    });
  const context = await openContext(options);
  const call: Call = { signal: context.signal, report: context.report };
  const mirror = await context.mirror(mirrorName);
  await using registries = openRegistries(context);
  const repository = await registries.repository(mirror, "push");
  const attached = await registries.repository(mirror, "push", { checked: false });
  const done: Record<"attached" | "present", BilledTag[]> = { attached: [], present: [] };
  const failed: { tag: string; failure: FailureDocument }[] = [];
  const tags = await namedPackages(repository, options, context);
  call.report?.({ type: "planned", tasks: tags.length });
  await mapLimited(tags, context.jobs ?? defaultJobs, attachOne);
  return { mirror: mirror.name, ...done, failed };

  async function attachOne(tag: Tag): Promise<void> {
    checkInterrupted(call);
    const task = { id: tag, verb: "upload", subject: tag } as const;
    call.report?.({ type: "started", task });
    try {
      const entry = await readEntry(repository, tag, call);
      if (entry === undefined)
        throw new Failure("not-found", `${repository.label}:${tag} does not exist`, {
          code: "oci.manifest-missing",
          subject: tag,
        });
      const { manifest, spec, graph } = entry;
      const facts = async () => (readLayers ? await factsInLayer(entry, call) : noFacts);
      const outcome = await attachPackageSbom(
        attached,
        { subject: manifest.descriptor, spec, graph, facts },
        { ...call, format, created: sbomTime(context), force },
      );
      done[outcome].push({ tag, digest: manifest.descriptor.digest });
      call.report?.({ type: "finished", task, outcome });
    } catch (error) {
      if (!(error instanceof Failure) || error.kind === "interrupted") throw error;
      const failure = error.toJSON();
      failed.push({ tag, failure });
      call.report?.({ type: "failed", task, failure });
    }
  }
}
