import { Failure } from "../base/failure.js";
import type { ConcreteSpec, SpecGraph } from "../spec/concrete-spec.js";
import type { Host } from "../spec/host.js";
import { runsOn } from "../spec/target.js";
import { compareVersions } from "../version/compare.js";
import { parseStandardVersion } from "../version/standard-version.js";

/** Why binaries would not run on this machine; packages that are installed already are not asked about. */
export function hostProblems(
  graph: SpecGraph,
  { specs, host }: { specs: readonly ConcreteSpec[]; host: Host },
): Failure[] {
  const { platform, target, glibc } = host;
  const foreign = specs.filter((spec) => spec.platform !== platform);
  const beyond = specs.filter((spec) => spec.platform === platform && !runsOn(spec.target, target));
  const needed = newestGlibc(graph, specs);
  const tooNew =
    needed !== undefined && glibc !== undefined && newer(needed.version, glibc) ? needed.users : [];
  return [
    ...problemOf(foreign, {
      code: "install.wrong-platform",
      message: `built for ${different(foreign, "platform")}, but this machine is ${platform}`,
    }),
    ...problemOf(beyond, {
      code: "install.wrong-target",
      message: `built for ${different(beyond, "target")}, but this machine is ${target}`,
    }),
    ...problemOf(tooNew, {
      code: "install.glibc-too-old",
      message: `built with glibc ${needed?.version}, but this machine has ${glibc}`,
    }),
  ];
}

const different = (specs: readonly ConcreteSpec[], key: "platform" | "target"): string =>
  [...new Set(specs.map((spec) => spec[key]))].join(" and ");

function problemOf(
  specs: readonly ConcreteSpec[],
  { code, message }: { code: string; message: string },
): Failure[] {
  const [first] = specs;
  if (first === undefined) return [];
  const names = specs.map(({ name, version }) => `${name}@${version}`).join(", ");
  return [
    new Failure("unsupported", `${names}: ${message}`, {
      code,
      subject: `${first.name}/${first.hash}`,
      hint: "Choose a package that was built for this machine: `stowage buildcache list` shows what there is.",
    }),
  ];
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
