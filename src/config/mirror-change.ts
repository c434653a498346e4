import { Failure } from "../base/failure.js";
import type { Edit } from "./edit.js";
import type { Direction } from "./mirror.js";
import { type ConfigNode, nodeAt, type Plain, textAt } from "./node.js";

/** What can be said of a mirror, in words of `mirrors.yaml`. What is not given stays; null takes a key away. */
export interface MirrorChange {
  readonly url?: string | undefined;
  readonly access?: AccessChange | undefined;
  readonly tokenVariable?: string | null | undefined;
  readonly profile?: string | null | undefined;
  readonly endpointUrl?: string | null | undefined;
  readonly view?: string | null | undefined;
  readonly include?: readonly string[] | null | undefined;
  readonly exclude?: readonly string[] | null | undefined;
  readonly source?: boolean | undefined;
  readonly binary?: boolean | undefined;
  readonly signed?: boolean | null | undefined;
  readonly autopush?: boolean | undefined;
}

/** Names of variables, never a secret: a configuration file is no place for one. */
export interface AccessChange {
  readonly id?: string | undefined;
  readonly idVariable?: string | undefined;
  readonly secretVariable?: string | undefined;
}

/** A new mirror: its URL alone, where nothing else is said. */
export function mirrorValue(name: string, change: MirrorChange & { readonly url: string }): Plain {
  const keys = keysOf(name, change, undefined).filter(([, value]) => value !== null);
  return keys.length === 1 ? change.url : Object.fromEntries(keys);
}

/**
 * The edits of a mirror that is there, on the whole or in one direction.
 * @param path of the mirror in its file
 * @throws Failure `mirror.change-invalid`
 */
export function mirrorEdits(
  path: readonly string[],
  mirror: ConfigNode,
  change: MirrorChange,
  direction: Direction | undefined,
): readonly Edit[] {
  const name = path.at(-1) ?? "";
  const oneWayOnly = (["source", "binary", "signed", "autopush"] as const).find(
    (key) => direction !== undefined && change[key] !== undefined,
  );
  if (oneWayOnly !== undefined)
    throw invalid(`${oneWayOnly} is said of a whole mirror, not of its ${direction} side`);

  const at = direction === undefined ? path : [...path, direction];
  const current = direction === undefined ? mirror : nodeAt(mirror, [direction]);
  // Where the direction says nothing of its own, it has what the mirror says for both.
  const access = nodeAt(current, ["access_pair"]) ?? nodeAt(mirror, ["access_pair"]);
  const keys = keysOf(name, change, access);
  if (keys.length === 0) return [];
  const onlyUrl = keys.length === 1 && change.url !== undefined;
  if (onlyUrl && current?.type !== "map") {
    const url = change.url ?? "";
    return [...(direction === undefined ? [] : asMap(path, mirror)), { type: "set", path: at, value: url }];
  }
  return [
    ...asMap(path, mirror),
    ...(direction === undefined || current === undefined ? [] : asMap(at, current)),
    ...keys.map(
      ([key, value]): Edit =>
        value === null ? { type: "remove", path: [...at, key] } : { type: "set", path: [...at, key], value },
    ),
  ];
}

/** A mirror or a direction that is a bare URL becomes a mapping with it. */
function asMap(path: readonly string[], node: ConfigNode): readonly Edit[] {
  return node.type === "scalar" ? [{ type: "set", path, value: { url: String(node.value) } }] : [];
}

function keysOf(
  name: string,
  change: MirrorChange,
  access: ConfigNode | undefined,
): readonly (readonly [string, Plain])[] {
  const all: readonly (readonly [string, Plain | undefined])[] = [
    ["url", change.url],
    ["access_pair", change.access === undefined ? undefined : accessValue(name, change.access, access)],
    ["access_token_variable", change.tokenVariable],
    ["profile", change.profile],
    ["endpoint_url", change.endpointUrl],
    ["binary", change.binary],
    ["source", change.source],
    ["autopush", change.autopush],
    ["signed", change.signed],
    ["view", change.view],
    ["include_binary", change.include],
    ["exclude_binary", change.exclude],
  ];
  return all.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
}

/** Both halves: those given, else those that are there. */
function accessValue(name: string, change: AccessChange, current: ConfigNode | undefined): Plain {
  const idVariable =
    change.idVariable ?? (change.id === undefined ? textAt(current, ["id_variable"]) : undefined);
  const id = change.id ?? (idVariable === undefined ? textAt(current, ["id"]) : undefined);
  const secretVariable = change.secretVariable ?? textAt(current, ["secret_variable"]);
  if (secretVariable === undefined || (id === undefined && idVariable === undefined))
    throw invalid(
      `mirror ${name} needs both a user and a variable for the password`,
      "For registries: --oci-username NAME --oci-password-variable VARIABLE.",
    );
  return {
    ...(idVariable === undefined ? { id: id ?? "" } : { id_variable: idVariable }),
    secret_variable: secretVariable,
  };
}

const invalid = (message: string, hint?: string): Failure =>
  new Failure("usage", message, { code: "mirror.change-invalid", hint });
