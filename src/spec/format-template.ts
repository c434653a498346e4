import { Failure } from "../base/failure.js";
import type { ConcreteSpec, SpecGraph } from "./concrete-spec.js";
import { flagNames } from "./flags.js";
import { formatCompilers, formatFlagsOf, formatVariantsOf } from "./format-concrete.js";
import { dependenciesOf, nodeOf } from "./graph.js";
import { formatOf } from "./hash-check.js";
import { parameterOf } from "./matches.js";
import { formatVariant, recordedVariant } from "./variant.js";

/** An escaped character, a field with what stands before its name, or a brace without its partner. */
const fields = /\\(.)|\{( ?[%@/]|[\w ][\w -]*=)?(?:\^([^}.]+)\.)?(?:(hash\b)(?::(\d+))?|([^}]*))(\})?|(\})/gi;

/**
 * A concrete spec in a form of one's own, with Spack's format strings: `{name}{@version}{/hash:7}`,
 * `{^mpi.name}`, `{ namespace=namespace}`, `{variants.pic.value}`. A field without a value leaves nothing.
 * @throws Failure `spec.format-invalid`
 */
export function formatWith(template: string, spec: ConcreteSpec, graph: SpecGraph): string {
  const invalid = (found: string): Failure =>
    new Failure("usage", `Cannot format with "${template}": ${found}`, {
      code: "spec.format-invalid",
      subject: template,
      hint: "Fields are {name}, {@version}, {variants}, {architecture}, {compilers}, {/hash:7} and the like; \\{ is a brace.",
    });
  const text = template.replace(
    fields,
    (_, escaped, sigil = "", dependency, hash, length, attribute, close, unmatched): string => {
      if (escaped !== undefined) return escaped;
      if (unmatched !== undefined) throw invalid("a } without {");
      if (close === undefined) throw invalid("a { without }");
      const node = dependency === undefined ? spec : dependencyNamed(spec, { name: dependency, graph });
      if (node === undefined) throw invalid(`${spec.name} does not depend on ${dependency}`);
      if (hash !== undefined) {
        if (sigil !== "" && sigil !== "/") throw invalid(`only / stands before a hash, not ${sigil}`);
        return sigil + node.hash.slice(0, length === undefined ? undefined : Number(length));
      }
      const path = String(attribute).toLowerCase();
      if (!sigilFits(sigil, path)) throw invalid(`${sigil} does not stand before ${path}`);
      const value = fieldOf(node, { path: path.split("."), graph });
      if (value === undefined) throw invalid(`${spec.name} has no ${path}`);
      if (value === null) return "";
      return value === noCompiler ? noCompiler : sigil + value;
    },
  );
  return text.trim();
}

function sigilFits(sigil: string, path: string): boolean {
  if (sigil === "@") return /(?:^|\.)versions?$/.test(path);
  if (sigil === "%") return path === "compiler" || path === "compiler.name";
  return sigil !== "/";
}

interface Question {
  readonly path: readonly string[];
  readonly graph: SpecGraph;
}

/** Null for a field that this spec leaves empty, undefined for one that no spec has. */
function fieldOf(spec: ConcreteSpec, { path: [first, ...rest], graph }: Question): string | null | undefined {
  const leaf = (value: string | undefined): string | null | undefined =>
    rest.length > 0 ? undefined : (value ?? null);
  switch (first) {
    case "name":
    case "version":
    case "namespace":
    case "platform":
    case "os":
    case "target":
      return leaf(spec[first]);
    case "versions":
      return leaf(`=${spec.version}`);
    case "fullname":
      return leaf(spec.namespace === undefined ? spec.name : `${spec.namespace}.${spec.name}`);
    case "arch":
    case "architecture": {
      const [part, ...more] = rest;
      if (part === undefined) return `${spec.platform}-${spec.os}-${spec.target}`;
      return more.length === 0 && (part === "platform" || part === "os" || part === "target")
        ? spec[part]
        : undefined;
    }
    case "variants":
      return rest.length === 0 ? formatVariantsOf(spec) : variantValue(spec, rest);
    case "namespace_if_anonymous":
      return leaf(undefined);
    case "specfile_version":
      return leaf(`v${formatOf(spec.node, graph.format)}`);
    case "compiler_flags":
      return leaf(formatFlagsOf(spec));
    case "compilers":
      return leaf(` ${formatCompilers(spec, graph)}`);
    case "compiler":
      return compilerValue(spec, { path: rest, graph });
    default:
      return undefined;
  }
}

function variantValue(spec: ConcreteSpec, [name = "", part, ...more]: readonly string[]): string | undefined {
  const recorded = flagNames.has(name) ? undefined : parameterOf(spec, name);
  if (recorded === undefined || more.length > 0) return undefined;
  const variant = recordedVariant(name, recorded);
  if (part === undefined) return formatVariant(variant);
  if (part === "name") return name;
  // As Python writes a tuple and a bool.
  if (part === "value" && variant.type === "multi")
    return `(${variant.values.map((value) => `'${value}'`).join(", ")}${variant.values.length === 1 ? "," : ""})`;
  return part === "value" ? String(variant.values[0]).replace(/^(?:true|false)$/, pythonBool) : undefined;
}

const pythonBool = (text: string): string => (text === "true" ? "True" : "False");

/** What stands for the compiler of a package without one; no sigil stands before it. */
const noCompiler = "none";

/** The first of the C, C++ and Fortran compilers; of formats before 5 the one there was. */
function compilerValue(spec: ConcreteSpec, { path, graph }: Question): string | undefined {
  const edges = dependenciesOf(spec);
  const edge = ["c", "cxx", "fortran"]
    .map((language) => edges.find(({ virtuals }) => virtuals.includes(language)))
    .find((found) => found !== undefined);
  const node = edge && nodeOf(graph, edge.hash);
  const compiler = spec.compiler ?? node;
  if (compiler === undefined) return noCompiler;
  const { name, version } = compiler;
  switch (path.join(".")) {
    case "":
      return spec.compiler === undefined ? `${name}@${version}/${node?.hash}` : `${name}@=${version}`;
    case "name":
      return name;
    case "version":
      return version;
    case "versions":
      return `=${version}`;
    default:
      return undefined;
  }
}

/** Spack's `spec[name]`: build dependencies first, then what is linked or run, breadth first. */
function dependencyNamed(
  spec: ConcreteSpec,
  { name, graph }: { name: string; graph: SpecGraph },
): ConcreteSpec | undefined {
  const edges = [...dependenciesOf(spec, ["build", "test"]), ...dependenciesOf(spec, ["link", "run"])];
  const seen = new Set([spec.hash]);
  for (const edge of edges) {
    if (edge.name === name || edge.virtuals.includes(name)) return nodeOf(graph, edge.hash);
    if (seen.has(edge.hash) || !edge.types.some((type) => type === "link" || type === "run")) continue;
    seen.add(edge.hash);
    edges.push(...dependenciesOf(nodeOf(graph, edge.hash), ["link", "run"]));
  }
  return spec.name === name ? spec : undefined;
}
