import { Failure } from "../base/failure.js";
import { mergeNodes } from "./merge.js";
import type { ConfigNode, MapEntry } from "./node.js";
import { sections } from "./sections.js";
import { suggestion } from "./suggestion.js";

/** One layer of configuration, read. */
export interface Scope {
  readonly name: string;
  /** Folder with a file for each section, or the one file that holds them (`at`: below these keys). */
  readonly path: string;
  readonly kind: "folder" | "file";
  readonly at: readonly string[];
  readonly writable: boolean;
  /** Brought in by another scope's `include`. */
  readonly includedBy: string | undefined;
  /** What it says about one section; undefined where it says nothing. */
  section(name: string): Promise<MapEntry | undefined>;
}

/** All scopes, the strongest last. */
export interface Configuration {
  readonly scopes: readonly Scope[];
}

/**
 * A section as all scopes together say it, or one of them alone.
 * @throws Failure `config.section-unknown`, `config.scope-unknown`, and what is wrong in the files
 */
export async function readSection(
  configuration: Configuration,
  name: string,
  { scope }: { readonly scope?: string | undefined } = {},
): Promise<ConfigNode | undefined> {
  if (!Object.hasOwn(sections, name)) {
    const names = Object.keys(sections);
    throw new Failure("usage", `there is no configuration section named ${name}`, {
      code: "config.section-unknown",
      subject: name,
      hint: `${suggestion(name, names) ?? ""}Sections: ${names.join(", ")}.`,
    });
  }
  let merged: ConfigNode | undefined;
  for (const one of scope === undefined ? configuration.scopes : [scopeNamed(configuration, scope)]) {
    const entry = await one.section(name);
    if (entry === undefined) continue;
    merged = merged === undefined || entry.replaces ? entry.value : mergeNodes(merged, entry.value);
  }
  return merged;
}

/** @throws Failure `config.scope-unknown` */
export function scopeNamed(configuration: Configuration, name: string): Scope {
  const found = configuration.scopes.find((scope) => scope.name === name);
  if (found !== undefined) return found;
  const names = configuration.scopes.map((scope) => scope.name);
  throw new Failure("usage", `there is no configuration scope named ${name}`, {
    code: "config.scope-unknown",
    subject: name,
    hint: `${suggestion(name, names) ?? ""}Scopes, strongest last: ${names.join(", ")}.`,
  });
}
