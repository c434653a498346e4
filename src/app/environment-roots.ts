import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Failure } from "../base/failure.js";
import type { EntryRequest } from "../buildcache/source.js";
import { type ConfigNode, nodeAt, plainOf, textAt } from "../config/node.js";
import { configFailure } from "../config/parse.js";
import { diskFailure, systemCodeOf } from "../io/disk/disk-failure.js";
import type { SpecGraph } from "../spec/concrete-spec.js";
import { nodeOf } from "../spec/graph.js";
import { decodeLockfile } from "../spec/lockfile.js";
import { type Context, environmentFolder } from "./context.js";

/** What an environment asks for: what its lockfile says, or specs that are still to be chosen for. */
export interface EnvironmentRoots {
  readonly locked: readonly EntryRequest[];
  readonly specs: readonly string[];
}

/**
 * The roots of an environment: of its `spack.lock`, else of its `spack.yaml`.
 * @param groups only those of these groups (`spack: specs: [{group: …}]`)
 * @throws Failure `config.environment-missing`, `install.environment-specs`, `spec.lockfile-*`
 */
export async function environmentRoots(
  context: Context,
  folder: string,
  groups?: readonly string[],
): Promise<EnvironmentRoots> {
  const locked = await lockedRoots(join(folder, "spack.lock"), groups);
  if (locked !== undefined) return { locked, specs: [] };
  const scope = context.configuration.scopes.find(({ path }) => path === join(folder, "spack.yaml"));
  const specs = (await scope?.section("specs"))?.value;
  return {
    locked: [],
    specs: specs?.type === "list" ? specs.items.flatMap((item) => textsOf(item, groups)) : [],
  };
}

/** The roots of a lockfile, externals left out; undefined where the file is not there. @throws Failure `spec.lockfile-*` */
export async function lockedRoots(
  file: string,
  groups?: readonly string[],
): Promise<readonly EntryRequest[] | undefined> {
  const graph = await lockedGraph(file, groups);
  return graph?.roots.map((hash) => nodeOf(graph, hash)).filter(({ external }) => external === undefined);
}

/** The same with all that the roots need. @throws Failure `spec.lockfile-*` */
export async function lockedGraph(file: string, groups?: readonly string[]): Promise<SpecGraph | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw diskFailure(error, { doing: "read", path: file, elsewhere: "with --lockfile" });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Failure("corrupt", `${file} is not JSON`, {
      code: "spec.lockfile-invalid",
      subject: file,
      hint: "`spack concretize --force` writes it anew.",
      cause,
    });
  }
  const { graph, roots } = decodeLockfile(json, file);
  const chosen = roots.filter(({ group }) => groups === undefined || groups.includes(group));
  return { ...graph, roots: [...new Set(chosen.map(({ hash }) => hash))] };
}

/** What an environment's lockfile tells. @throws Failure `config.environment-missing`, `spec.lockfile-*` */
export async function environmentGraph(given: string, context: Context): Promise<SpecGraph> {
  const file = join(environmentFolder(given, context) ?? context.cwd, "spack.lock");
  const locked = await lockedGraph(file);
  if (locked !== undefined) return locked;
  throw new Failure("not-found", `there is no lockfile ${file}`, {
    code: "config.environment-missing",
    subject: file,
    hint: "Name the folder of an environment; `spack concretize` writes its lockfile.",
  });
}

/** One item of `specs`: a spec, a matrix, or a group of either. */
function textsOf(item: ConfigNode, groups: readonly string[] | undefined): readonly string[] {
  const group = textAt(item, ["group"]) ?? "default";
  if (groups !== undefined && !groups.includes(group)) return [];
  if (item.type === "scalar" && typeof item.value === "string") {
    if (!item.value.startsWith("$")) return [item.value];
    throw refused(item, `${item.value} stands for a definition`);
  }
  const specs = nodeAt(item, ["specs"]);
  if (specs?.type === "list") return specs.items.flatMap((inner) => textsOf(inner, undefined));
  const matrix = nodeAt(item, ["matrix"]);
  if (matrix?.type !== "list") return [];
  if (nodeAt(item, ["exclude"]) !== undefined) throw refused(item, "its matrix excludes specs");
  return matrix.items.reduce(
    (texts: readonly string[], row) =>
      texts.flatMap((text) => [plainOf(row)].flat().map((word) => `${text} ${String(word)}`.trim())),
    [""],
  );
}

const refused = (item: ConfigNode, found: string): Failure =>
  configFailure(item.origin, `${found}, which only Spack can resolve`, {
    code: "install.environment-specs",
    hint: "Run `spack -e DIR concretize` once: what its spack.lock says is installed as it is.",
  });
