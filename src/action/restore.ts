import { load } from "../app/load.js";
import { type InstallResult, install } from "../app/install.js";
import { formatSize, plural } from "../base/quantity.js";
import type { Runner } from "./runner.js";
import type { Settings } from "./settings.js";

/** What a restore did, as the step after the job's own tells it. */
export interface Restored {
  /** Packages that were installed, that were there, and that no mirror has. */
  readonly installed: number;
  readonly present: number;
  readonly missing: readonly string[];
  readonly bytes: number;
  readonly milliseconds: number;
  /** What failed, if anything did. */
  readonly failure?: string | undefined;
}

/** Installs what the mirror has of what is asked for, and tells the steps that follow. */
export async function restore(settings: Settings, runner: Runner): Promise<Restored> {
  const { specs, lockfile, options, mirror, locks } = settings;
  const started = performance.now();
  const isAsked = specs.length > 0 || lockfile !== undefined || options.environment !== undefined;
  const result = isAsked
    ? await install(specs, { ...options, mirror, lockfile, locks, allowMissing: true })
    : undefined;
  const run = result?.run;
  const restored: Restored = {
    installed: run?.installed.length ?? 0,
    present: run?.present.length ?? 0,
    missing: result?.missing ?? [],
    bytes: result?.plan.bytes ?? 0,
    milliseconds: Math.round(performance.now() - started),
    failure: failureOf(result),
  };
  runner.log(
    `${plural(restored.installed, "package")} restored (${formatSize(restored.bytes)}), ` +
      `${restored.present} there already, ${restored.missing.length} missing`,
  );
  for (const name of restored.missing) runner.log(`missing: ${name}`);
  if (result !== undefined) {
    runner.setOutput("store", result.root);
    runner.setOutput("restored", JSON.stringify(digestsOf(result)));
    if (settings.load) await loadInto(runner, { ...options, store: result.root }, result);
  }
  return restored;
}

/** The outputs that a step's condition asks for: there even where nothing could be restored. */
export function tellSteps(restored: Restored, runner: Runner): void {
  const hits = restored.installed + restored.present;
  const { missing } = restored;
  runner.setOutput("hits", String(hits));
  runner.setOutput("misses", String(missing.length));
  runner.setOutput("missing", missing.join("\n"));
  runner.setOutput("hit", String(hits > 0 && missing.length === 0 && restored.failure === undefined));
}

function failureOf(result: InstallResult | undefined): string | undefined {
  const [first, ...others] = result?.failed ?? [];
  if (first === undefined) return undefined;
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  return `could not restore ${first.spec.name}@${first.spec.version}${more}: ${first.failure.message}`;
}

/** The tarball's digest of each package that was fetched, by `name-version-hash`. */
const digestsOf = ({ plan }: InstallResult): Record<string, string> =>
  Object.fromEntries(
    plan.packages.flatMap((one) =>
      one.state === "fetch"
        ? [[`${one.spec.name}-${one.spec.version}-${one.spec.hash}`, one.entry.layer.digest]]
        : [],
    ),
  );

/** Puts the packages that were asked for on the paths of the steps that follow. */
async function loadInto(
  runner: Runner,
  options: Settings["options"],
  { plan, run }: InstallResult,
): Promise<void> {
  const there = new Set([...(run?.installed ?? []), ...(run?.present ?? [])].map(({ spec }) => spec.hash));
  const asked = plan.packages.filter(({ explicit, spec }) => explicit && there.has(spec.hash));
  if (asked.length === 0) return;
  const { environment } = await load(
    asked.map(({ spec }) => `/${spec.hash}`),
    { ...options, shell: "sh" },
  );
  const before = (runner.env["PATH"] ?? "").split(":");
  for (const [name, value] of environment) {
    if (name !== "PATH") runner.exportVariable(name, value);
    // The runner puts each line before the ones above it.
    else
      for (const path of value
        .split(":")
        .filter((path) => !before.includes(path))
        .reverse())
        runner.addPath(path);
  }
}
