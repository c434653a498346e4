import { Failure } from "../base/failure.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import { compareVersions } from "../version/compare.js";
import { parseStandardVersion } from "../version/standard-version.js";

/** What packages will run on. */
export interface Host {
  /** As Spack's: `linux`, `darwin`. */
  readonly platform: string;
  /** Name of the machine's microarchitecture, for messages. */
  readonly target: string;
  /** Whether code for a microarchitecture runs here: `x86_64_v3`. */
  runs(target: string): boolean;
  /** Version of its GNU C library, where it has one. */
  readonly glibc: string | undefined;
}

/** Why binaries would not run on this machine; packages that are installed already are not asked about. */
export function hostProblems(
  graph: SpecGraph,
  { specs, host }: { specs: readonly ConcreteSpec[]; host: Host },
): Failure[] {
  const problems: Failure[] = [];
  const refuse = (code: string, about: readonly ConcreteSpec[], message: string) => {
    const [first] = about;
    if (first === undefined) return;
    const names = about.map(({ name, version }) => `${name}@${version}`).join(", ");
    problems.push(
      new Failure("unsupported", `${names}: ${message}`, {
        code,
        subject: `${first.name}/${first.hash}`,
        hint: "Choose a package that was built for this machine: `stowage buildcache list` shows what there is.",
      }),
    );
  };
  for (const [platform, about] of grouped(specs, (spec) => spec.platform))
    if (platform !== host.platform)
      refuse("install.wrong-platform", about, `built for ${platform}, but this machine is ${host.platform}`);
    else
      for (const [target, sub] of grouped(about, (spec) => spec.target))
        if (!host.runs(target))
          refuse("install.wrong-target", sub, `built for ${target}, but this machine is ${host.target}`);
  const needed = newestGlibc(graph, specs);
  if (needed !== undefined && host.glibc !== undefined && newer(needed.version, host.glibc))
    refuse(
      "install.glibc-too-old",
      needed.users,
      `built with glibc ${needed.version}, but this machine has ${host.glibc}`,
    );
  return problems;
}

/** Since Spack 1.0 a spec names the C library it was built with, as an external dependency. */
function newestGlibc(
  graph: SpecGraph,
  specs: readonly ConcreteSpec[],
): { version: string; users: readonly ConcreteSpec[] } | undefined {
  const users = grouped(specs, (spec) => {
    const edge = spec.dependencies.find(({ name }) => name === "glibc");
    return edge === undefined ? undefined : graph.nodes.get(edge.hash)?.version;
  });
  let newest: { version: string; users: readonly ConcreteSpec[] } | undefined;
  for (const [version, about] of users)
    if (version !== undefined && (newest === undefined || newer(version, newest.version)))
      newest = { version, users: about };
  return newest;
}

const newer = (a: string, b: string): boolean =>
  compareVersions(parseStandardVersion(a), parseStandardVersion(b)) > 0;

function grouped<K>(specs: readonly ConcreteSpec[], key: (spec: ConcreteSpec) => K): Map<K, ConcreteSpec[]> {
  const groups = new Map<K, ConcreteSpec[]>();
  for (const spec of specs) groups.set(key(spec), [...(groups.get(key(spec)) ?? []), spec]);
  return groups;
}
