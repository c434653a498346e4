import { posix } from "node:path";
import { type ConfigNode, nodeAt, textAt, textsAt } from "./node.js";
import { configFailure } from "./parse.js";
import { substitute, type Variables } from "./variables.js";

/** Whom `trust.yaml` says to trust: names of files, nothing of them read yet. */
export interface TrustRule {
  /** `/etc/spack/trust.yaml:3`. */
  readonly origin: string;
  /** Files with public keys, and `env://NAME`. */
  readonly keys: readonly string[];
  readonly identities: readonly TrustedIdentity[];
  /** File with the OpenPGP keys that sign packages in files. */
  readonly keyring: string | undefined;
  /** How many must have signed. */
  readonly required: number;
  /** Milliseconds that the signature of an index is good for. */
  readonly maxAge: number | undefined;
  readonly signedAs: readonly string[] | "any";
  /** File with the certificate authorities and logs that identities are checked by. */
  readonly trustedRoot: string | undefined;
}

export interface TrustedIdentity {
  readonly issuer: TextPattern;
  readonly subject: TextPattern;
}

export type TextPattern = { readonly text: string } | { readonly matching: string };

/** What a rule for images may say instead: take all, or none. */
export type ImageRule = TrustRule | "accept" | "reject";

/** @param section the merged `trust` section */
export function mirrorRule(
  section: ConfigNode | undefined,
  name: string,
  variables: Variables,
): TrustRule | undefined {
  const node = nodeAt(section, ["mirrors", name]);
  return node === undefined ? undefined : decodeRule(node, `trust:mirrors:${name}`, variables);
}

/** The rule with the longest name that an image's `domain/name` starts with. */
export function imageRule(
  section: ConfigNode | undefined,
  image: string,
  variables: Variables,
): ImageRule | undefined {
  const images = nodeAt(section, ["images"]);
  if (images?.type !== "map") return undefined;
  const [best] = [...images.entries.keys()]
    .filter((prefix) => prefix === "*" || image === prefix || image.startsWith(`${prefix}/`))
    .sort((a, b) => lengthOf(b) - lengthOf(a));
  const node = best === undefined ? undefined : images.entries.get(best)?.value;
  if (node === undefined) return undefined;
  if (node.type === "scalar") return node.value === "accept" ? "accept" : "reject";
  return decodeRule(node, `trust:images:${best}`, variables);
}

const lengthOf = (prefix: string): number => (prefix === "*" ? 0 : prefix.length);

function decodeRule(node: ConfigNode, path: string, variables: Variables): TrustRule {
  const { file, line } = node.origin;
  const origin = `${file}:${line}`;
  const fileAt = (key: string): string | undefined => {
    const found = nodeAt(node, [key]);
    return found === undefined ? undefined : pathIn(found, variables);
  };
  const identities = nodeAt(node, ["identities"]);
  const required = nodeAt(node, ["required"]);
  const signedAs = textsAt(node, ["signed-as"]);
  return {
    origin,
    keys: filesAt(node, "keys", variables),
    identities: identities?.type === "list" ? identities.items.map(decodeIdentity) : [],
    keyring: fileAt("keyring"),
    required: required?.type === "scalar" ? Number(required.value) : 1,
    maxAge: durationAt(nodeAt(node, ["max-age"]), `${path}:max-age`),
    signedAs: signedAs.includes("any") ? "any" : signedAs,
    trustedRoot: fileAt("trusted-root"),
  };
}

/** Each is named from the file that names it: what several scopes say is one. */
function filesAt(node: ConfigNode, key: string, variables: Variables): readonly string[] {
  const list = nodeAt(node, [key]);
  if (list?.type !== "list") return [];
  return list.items.flatMap((item) => pathIn(item, variables) ?? []);
}

function pathIn(node: ConfigNode, variables: Variables): string | undefined {
  if (node.type !== "scalar" || typeof node.value !== "string") return undefined;
  if (node.value.startsWith("env://")) return node.value;
  const { file, line } = node.origin;
  return posix.resolve(posix.dirname(file), substitute(node.value, variables, `${file}:${line}`));
}

function decodeIdentity(node: ConfigNode): TrustedIdentity {
  const patternAt = (key: string): TextPattern => {
    const text = textAt(node, [key]);
    if (text !== undefined) return { text };
    const matching = textAt(node, [`${key}-regexp`]) ?? "";
    try {
      new RegExp(matching, "u");
    } catch (error) {
      throw configFailure(node.origin, `${key}-regexp is no regular expression: ${String(error)}`, {
        code: "config.value-invalid",
      });
    }
    return { matching };
  };
  return { issuer: patternAt("issuer"), subject: patternAt("subject") };
}

const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

function durationAt(node: ConfigNode | undefined, path: string): number | undefined {
  if (node?.type !== "scalar") return undefined;
  const [, count, unit = ""] = /^(\d+)([mhdw])$/.exec(String(node.value)) ?? [];
  const length = units[unit];
  if (count === undefined || length === undefined)
    throw configFailure(node.origin, `${path} is "${node.value}", which is no length of time`, {
      code: "config.value-invalid",
      hint: "Write a number and m, h, d or w, as in 7d.",
    });
  return Number(count) * length;
}
