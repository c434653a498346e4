import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { BilledImage } from "./bill.js";
import type { Facts } from "./facts.js";

// Package URLs (ECMA-427): how scanners recognise what a bill names.

/** There is no type for Spack's packages: `pkg:generic/zlib@1.2.13?checksum=sha256:…&download_url=…`. */
export function packageUrl({ name, version }: Pick<ConcreteSpec, "name" | "version">, facts?: Facts): string {
  const checksum = facts?.checksums
    .map(({ algorithm, value }) => `${algorithm.toLowerCase()}:${value}`)
    .join(",");
  return `pkg:generic/${encode(name)}@${encode(version)}${qualifiers({ checksum, download_url: facts?.download })}`;
}

export const imageUrl = ({ repository, tag, digest }: BilledImage): string =>
  `pkg:oci/${encode(repository.split("/").at(-1) ?? "").toLowerCase()}@${encode(digest)}${qualifiers({
    repository_url: repository,
    tag,
  })}`;

/** The digest that an image's URL names. */
export function digestInUrl(url: string): string | undefined {
  const version = /^pkg:oci\/[^@?]+@([^?#]+)/.exec(url)?.[1];
  return version === undefined ? undefined : version.replace("%3A", ":");
}

const encode = (text: string): string => encodeURIComponent(text).replaceAll("'", "%27");

const qualifiers = (values: Readonly<Record<string, string | undefined>>): string =>
  Object.entries(values)
    .filter((entry) => entry[1] !== undefined && entry[1] !== "")
    .map(([key, value], i) => `${i === 0 ? "?" : "&"}${key}=${encode(value ?? "")}`)
    .join("");
