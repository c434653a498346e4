import { Failure } from "../base/failure.js";
import { alwaysFits } from "../relocate/c-strings.js";
import type { ConcreteSpec } from "../spec/concrete-spec.js";
import type { Layout } from "../store/layout.js";
import { aliasOf } from "./alias.js";

/** A package whose binaries have no room for its new prefix, nor for an alias, if they name the old one at all. */
export interface TightPackage {
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  /** Where it was made. */
  readonly madeIn: string;
  /** Bytes that a store's root may have, so that it fits whatever it holds. */
  readonly longestRoot: number;
}

interface Moved {
  readonly spec: ConcreteSpec;
  readonly prefix: string;
  readonly entry: { readonly madeIn?: string | undefined };
}

/**
 * What can be told of room before anything is fetched, by the length of the old prefixes. Whether there is a string
 * that needs the room only the package itself shows: most have none, so this is a warning.
 */
export function tightPackages(moved: readonly Moved[], { root }: Layout): readonly TightPackage[] {
  return moved.flatMap(({ spec, prefix, entry: { madeIn } }): TightPackage[] => {
    if (madeIn === undefined || alwaysFits(madeIn, prefix)) return [];
    const alias = aliasOf({ root }, spec.buildHash ?? spec.hash);
    if (alwaysFits(madeIn, alias)) return [];
    let longestRoot = madeIn.length - (alias.length - root.length);
    // Where the tails differ a string has to become shorter by more than what strings may share.
    const shortest = "r".repeat(Math.max(1, longestRoot));
    if (!alwaysFits(madeIn, aliasOf({ root: shortest }, spec.buildHash ?? spec.hash))) longestRoot -= 8;
    return [{ spec, prefix, madeIn, longestRoot: Math.max(0, longestRoot) }];
  });
}

export const tightFailure = (
  { spec, prefix, madeIn, longestRoot }: TightPackage,
  { root }: Layout,
): Failure =>
  new Failure(
    "unsupported",
    `${spec.name}@${spec.version} was made in ${madeIn}, which may have no room for ${prefix}`,
    {
      code: "install.prefix-too-long",
      subject: root,
      hint: `Use a store root of at most ${longestRoot} characters, or leave out --strict: what names no prefix can be moved.`,
    },
  );
