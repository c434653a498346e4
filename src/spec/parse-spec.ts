import type { Failure } from "../base/failure.js";
import { parseVersionList } from "../version/version-list.js";
import { type AbstractSpec, emptySpec, formatSpec, packageOfCompiler } from "./abstract-spec.js";
import { type Architecture, isConcreteArchitecture } from "./architecture.js";
import type { DependencyType } from "./concrete-spec.js";
import { dependencyTypes, isDependencyType } from "./dependency-types.js";
import { addEdge, createDraft, type Draft, finished } from "./draft.js";
import { flagNames, splitFlags } from "./flags.js";
import { syntaxFailure } from "./syntax-failure.js";
import { type Token, type TokenKind, tokenize } from "./tokenize.js";
import { typedVariant } from "./variant.js";

/**
 * Reads one spec: `hdf5@1.14:+mpi ^openmpi %gcc@12`. An empty text is the spec that all specs satisfy.
 * @throws Failure `spec.syntax`, whose message shows the place; `version.invalid`, `version.empty-range`
 */
export function parseSpec(text: string): AbstractSpec {
  const parser = new Parser(text);
  const spec = parser.spec();
  if (parser.next !== undefined)
    throw parser.failure("here begins a second spec, but one is asked for", parser.next);
  return spec ?? emptySpec;
}

/** Reads all specs of a text: `zlib hdf5+mpi` are two. @throws Failure as `parseSpec` */
export function parseSpecs(text: string): readonly AbstractSpec[] {
  const parser = new Parser(text);
  const specs: AbstractSpec[] = [];
  for (let spec = parser.spec(); spec !== undefined; spec = parser.spec()) specs.push(spec);
  return specs;
}

const architectureKeys: ReadonlyMap<string, keyof Architecture> = new Map([
  ["platform", "platform"],
  ["os", "os"],
  ["operating_system", "os"],
  ["target", "target"],
]);
/** Keys that are no variants of a package, and so hold for it alone. */
const notPropagated = new Set([
  ...architectureKeys.keys(),
  ...["arch", "architecture", "branch", "commit", "dev_path", "namespace", "patches", "ref", "tag"],
]);

/** Spack's recursive descent (spec_parser.py, `SpecParser`): same words, same order, same refusals. */
class Parser {
  readonly #text: string;
  readonly #tokens: Iterator<Token, undefined>;
  next: Token | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokenize(text);
    this.next = this.#tokens.next().value;
  }

  failure(reason: string, token: Token | undefined, cause?: unknown): Failure {
    const start = token?.start ?? this.#text.length;
    return syntaxFailure(this.#text, { start, end: start + (token?.text.length ?? 1), reason, cause });
  }

  #accept(...kinds: readonly TokenKind[]): Token | undefined {
    const { next } = this;
    if (next === undefined || !kinds.includes(next.kind)) return undefined;
    this.next = this.#tokens.next().value;
    return next;
  }

  /** The next spec with its dependencies; undefined at the end. */
  spec(): AbstractSpec | undefined {
    const first = this.next;
    if (first === undefined) return undefined;
    const root = this.#node(undefined);
    let owner = root;
    for (;;) {
      const sigil = this.#accept("edge-start", "dependency");
      if (sigil === undefined) break;
      const direct = sigil.text.startsWith("%");
      const attributes =
        sigil.kind === "edge-start"
          ? this.#edgeAttributes()
          : { types: [], when: undefined, ...this.#assigned(sigil) };
      const spec = this.#node(attributes.substitute);
      if (direct) spec.name = packageOfCompiler.get(spec.name ?? "") ?? spec.name;
      else owner = spec;
      const { types, virtuals, when } = attributes;
      const edge = {
        spec,
        types,
        virtuals: new Set(virtuals),
        direct,
        propagate: sigil.text.startsWith("%%"),
        when,
      };
      const conflict = addEdge(direct ? owner : root, edge);
      if (conflict !== undefined) throw this.failure(conflict, sigil);
    }
    if (this.next === first) throw this.failure("a spec cannot begin here", first);
    return finished(root);
  }

  #assigned({ assignment }: Token): { virtuals: readonly string[]; substitute: string | undefined } {
    return { virtuals: assignment?.virtuals ?? [], substitute: assignment?.name };
  }

  #edgeAttributes() {
    let virtuals: readonly string[] = [];
    // Given twice, the last one counts, and as in Spack the others are not even read.
    let types: { values: readonly string[]; token: Token } | undefined;
    let when: { text: string; token: Token } | undefined;
    for (;;) {
      const end = this.#accept("edge-end");
      if (end !== undefined) {
        const assigned = this.#assigned(end);
        return {
          types: types === undefined ? [] : this.#types(types.values, types.token),
          when: when && this.#condition(when.text, when.token),
          virtuals: [...virtuals, ...assigned.virtuals],
          substitute: assigned.substitute,
        };
      }
      const token = this.#accept("pair");
      if (token === undefined)
        throw this.failure("in [ ] stand only virtuals=, deptypes= and when=", this.next);
      const [key = "", text = ""] = splitOnce(token.text, "=");
      const values = stripped(text).split(",");
      const name = key.replace(/:$/, "");
      if (name === "virtuals") virtuals = values;
      else if (name === "deptypes") types = { values, token };
      else if (name === "when") when = { text: values[0] ?? "", token };
      else throw this.failure("the attributes of a dependency are virtuals=, deptypes= and when=", token);
    }
  }

  #types(values: readonly string[], token: Token): readonly DependencyType[] {
    const wrong = values.find((value) => !isDependencyType(value));
    if (wrong !== undefined)
      throw this.failure(`"${wrong}" is not one of ${dependencyTypes.join(", ")}`, token);
    return dependencyTypes.filter((type) => values.includes(type));
  }

  /** A condition that all specs meet is none. */
  #condition(text: string, token: Token): AbstractSpec | undefined {
    if (text.trim() === "") throw this.failure("the condition is empty", token);
    const when = parseSpec(text);
    return formatSpec(when) === "" ? undefined : when;
  }

  /** One node; `name` was read with the sigil before it. */
  #node(name: string | undefined): Draft {
    const spec = createDraft();
    if (name !== undefined) setName(spec, name);
    else this.#name(spec);
    let hasVersion = false;
    for (;;) {
      const token =
        this.#accept("version", "bool", "propagated-bool", "pair", "propagated-pair") ??
        (spec.hash === undefined ? this.#accept("hash") : undefined);
      if (token === undefined) return spec;
      const propagate = token.kind.startsWith("propagated");
      if (token.kind === "hash") spec.hash = token.text.slice(1);
      else if (token.kind === "version") {
        if (hasVersion) throw this.failure("a spec has one version or one list of versions", token);
        spec.versions = parseVersionList(token.text.slice(1).replace(/\s/g, ""));
        hasVersion = true;
      } else if (token.kind.endsWith("bool")) {
        const key = token.text.slice(propagate ? 2 : 1).trim();
        this.#set(spec, { key, value: token.text.startsWith("+"), concrete: true, propagate, token });
      } else {
        const [left = "", value = ""] = splitOnce(token.text, propagate ? "==" : "=");
        const concrete = left.endsWith(":");
        const key = concrete ? left.slice(0, -1) : left;
        this.#set(spec, { key, value: unquoted(value), concrete, propagate, token });
      }
    }
  }

  #name(spec: Draft): void {
    const file = this.#accept("file");
    if (file !== undefined) throw this.failure("files are not read here: give the spec that it holds", file);
    const token = this.#accept("name", "full-name");
    if (token !== undefined && token.text !== "*") setName(spec, token.text);
  }

  #set(
    spec: Draft,
    given: { key: string; value: string | boolean; concrete: boolean; propagate: boolean; token: Token },
  ): void {
    const { key, value, propagate, token } = given;
    const text = value === true ? "True" : value === false ? "False" : value;
    if (propagate && notPropagated.has(key)) throw this.failure(`${key} cannot be propagated`, token);
    const field = architectureKeys.get(key);
    if (key === "arch" || key === "architecture") {
      if (typeof value !== "string") throw this.failure(`${key} needs a value`, token);
      const parts = value.split("-");
      const [platform, os, target] = parts.length === 3 ? parts : [undefined, undefined, value];
      this.#setArchitecture(spec, { platform, os, target }, token);
    } else if (field !== undefined) {
      if (field === "target" && value === true) throw this.failure("target needs a value", token);
      // As in Spack, `~os` says nothing, unless something was said of the architecture before: then it is a name.
      const isNothing = value === false && (field === "target" || spec.architecture === undefined);
      this.#setArchitecture(spec, { [field]: isNothing ? undefined : text }, token);
    } else if (key === "namespace") spec.namespace = text;
    else if (flagNames.has(key)) {
      if (typeof value !== "string") throw this.failure(`${key} needs a value`, token);
      const present = spec.flags.get(key) ?? [];
      for (const text of splitFlags(value)) present.push({ text, propagate });
      if (present.length > 0) spec.flags.set(key, present);
    } else {
      if (spec.variants.has(key)) throw this.failure(`the variant ${key} is given twice`, token);
      const variant = typedVariant(key, value, given);
      if (variant === undefined) throw this.failure("* stands alone, not in a list", token);
      spec.variants.set(key, variant);
    }
  }

  #setArchitecture(
    spec: Draft,
    given: { [K in keyof Architecture]?: string | undefined },
    token: Token,
  ): void {
    const before = spec.architecture;
    if (before !== undefined && isConcreteArchitecture(before))
      throw this.failure("a spec has one architecture", token);
    const twice = (["platform", "os", "target"] as const).find((key) => key in given && before?.[key]);
    if (twice !== undefined) throw this.failure(`the ${twice} is given twice`, token);
    const known = (text: string | undefined) => (text === "" || text === "None" ? undefined : text);
    const { platform, os, target } = { ...before, ...given };
    spec.architecture =
      before === undefined
        ? { platform: known(platform), os: known(os), target: known(target) }
        : { platform, os, target: known(target) };
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

function setName(spec: Draft, text: string): void {
  const dot = text.lastIndexOf(".");
  spec.name = text.slice(dot + 1);
  if (dot >= 0) spec.namespace = text.slice(0, dot);
}

/** Without quotes and spaces at both ends. */
function stripped(text: string): string {
  const isOuter = (at: number): boolean => at >= 0 && at < text.length && `'" `.includes(text.charAt(at));
  let [start, end] = [0, text.length];
  while (isOuter(start)) start += 1;
  while (end > start && isOuter(end - 1)) end -= 1;
  return text.slice(start, end);
}

/** The value of a pair: without its quotes, and with those inside bare. */
function unquoted(value: string): string {
  const [, quote, inner] = /^(['"])([^\n]*)\1$/.exec(value) ?? [];
  return quote === undefined || inner === undefined ? value : inner.replaceAll(`\\${quote}`, quote);
}
