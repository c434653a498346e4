import { posix } from "node:path";
import { Failure } from "../base/failure.js";
import { flagAt, type MapEntry, type MapNode, nodeAt, type Origin, textAt, textsAt } from "./node.js";
import { suggestion } from "./suggestion.js";
import { substitute, type Variables } from "./variables.js";

/** One direction of a mirror. */
export interface Connection {
  /** With a scheme: a path in the configuration has become `file:///…`. */
  readonly url: string;
  readonly access: Access | undefined;
  /** Environment variable with an S3 session token. */
  readonly tokenVariable: string | undefined;
  /** S3: name of a profile in ~/.aws, and the endpoint of another provider. */
  readonly profile: string | undefined;
  readonly endpointUrl: string | undefined;
  /** Name of an index of its own, beside the mirror's. */
  readonly view: string | undefined;
  /** Specs of which one must match, and of which none may; in Spack's syntax. Empty: no rule. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Who to log in as: names of variables, or what Spack before 1.0 kept in the file itself. */
export interface Access {
  readonly id: string | undefined;
  readonly idVariable: string | undefined;
  readonly secretVariable: string | undefined;
  /** The old `access_pair: [id, secret]`: never shown, never written. */
  readonly secret: string | undefined;
}

export interface Mirror {
  /** Its name in the configuration; the URL of one that is not configured. */
  readonly name: string;
  /** undefined: the mirror has no URL for this direction. */
  readonly fetch: Connection | undefined;
  readonly push: Connection | undefined;
  readonly source: boolean;
  readonly binary: boolean;
  /** Whether packages must carry a good signature. Where nothing is said: yes, but for registries no (as Spack's). */
  readonly signed: boolean;
  readonly autopush: boolean;
  /** Where it was configured. */
  readonly origin: Origin | undefined;
}

export type Direction = "fetch" | "push";

export const mirrorSchemes = [
  "file",
  "http",
  "https",
  "s3",
  "gs",
  "sftp",
  "ftp",
  "oci",
  "oci+http",
  "oci-layout",
] as const;

const schemePattern = /^([a-z][a-z0-9+-]*):/i;

export const isRegistryUrl = (url: string): boolean => /^oci(\+http)?:/i.test(url);

/** Spack's images carry no signature, be they in a registry or in a layout on disk. */
const isSigned = (url: string): boolean => !isRegistryUrl(url) && !/^oci-layout:/i.test(url);

/** The mirrors of a merged `mirrors` section, in search order. */
export function decodeMirrors(section: MapNode | undefined, variables: Variables): readonly Mirror[] {
  return [...(section?.entries ?? [])].map(([name, entry]) => decodeMirror(name, entry, variables));
}

function decodeMirror(name: string, { value: node, origin }: MapEntry, variables: Variables): Mirror {
  const fetch = decodeConnection(node, "fetch", variables);
  const push = decodeConnection(node, "push", variables);
  return {
    name,
    fetch,
    push,
    source: flagAt(node, ["source"]) ?? true,
    binary: flagAt(node, ["binary"]) ?? true,
    signed: flagAt(node, ["signed"]) ?? isSigned((fetch ?? push)?.url ?? ""),
    autopush: flagAt(node, ["autopush"]) ?? false,
    origin,
  };
}

/** What the direction says itself, else what the mirror says for both. */
function decodeConnection(
  mirror: MapEntry["value"],
  direction: Direction,
  variables: Variables,
): Connection | undefined {
  const pathOf = (key: string): readonly string[] =>
    nodeAt(mirror, [direction, key]) === undefined ? [key] : [direction, key];
  const own = nodeAt(mirror, [direction]);
  const url =
    mirror.type === "scalar" ? mirror : own?.type === "scalar" ? own : nodeAt(mirror, pathOf("url"));
  if (url?.type !== "scalar" || typeof url.value !== "string") return undefined;
  return {
    url: urlOf(url.value, {
      variables,
      folder: posix.dirname(url.origin.file),
      place: `${url.origin.file}:${url.origin.line}`,
    }),
    access: accessOf(mirror, pathOf("access_pair")),
    tokenVariable: textAt(mirror, pathOf("access_token_variable")),
    profile: textAt(mirror, pathOf("profile")),
    endpointUrl: textAt(mirror, pathOf("endpoint_url")),
    view: textAt(mirror, pathOf("view")),
    include: textsAt(mirror, pathOf("include_binary")),
    exclude: textsAt(mirror, pathOf("exclude_binary")),
  };
}

function accessOf(mirror: MapEntry["value"], path: readonly string[]): Access | undefined {
  const pair = nodeAt(mirror, path);
  if (pair?.type === "list") {
    const [id, secret] = textsAt(mirror, path);
    if (id === undefined || secret === undefined) return undefined;
    return { id, secret, idVariable: undefined, secretVariable: undefined };
  }
  if (pair?.type !== "map") return undefined;
  return {
    id: textAt(pair, ["id"]),
    idVariable: textAt(pair, ["id_variable"]),
    secretVariable: textAt(pair, ["secret_variable"]),
    secret: undefined,
  };
}

export interface UrlContext {
  readonly variables: Variables;
  /** What relative paths start from. */
  readonly folder: string;
  readonly place: string;
}

/** A URL as it is; a path, after its variables, as `file://`. */
export function urlOf(text: string, { variables, folder, place }: UrlContext): string {
  const scheme = schemePattern.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && mirrorSchemes.some((known) => known === scheme)) return text;
  if (scheme !== undefined && text.includes("://"))
    throw new Failure("usage", `${place}: "${text}" has a scheme that no mirror can have`, {
      code: "mirror.url-invalid",
      subject: place,
      hint: `Allowed: ${mirrorSchemes.map((known) => `${known}:`).join(" ")} or a path.`,
    });
  const path = posix.resolve(folder, substitute(text, variables, place));
  return `file://${path.split("/").map(encodeURIComponent).join("/")}`;
}

/**
 * The mirror that a command's argument names: a configured name, else a URL or a path.
 * @throws Failure `mirror.unknown`, `mirror.url-invalid`
 */
export function findMirror(
  mirrors: readonly Mirror[],
  nameOrUrl: string,
  { variables, folder }: Pick<UrlContext, "variables" | "folder">,
): Mirror {
  const configured = mirrors.find((mirror) => mirror.name === nameOrUrl);
  if (configured !== undefined) return configured;
  if (!nameOrUrl.includes("/") && !nameOrUrl.includes(":") && nameOrUrl !== ".") {
    const names = mirrors.map((mirror) => mirror.name);
    throw new Failure("not-found", `there is no mirror named ${nameOrUrl}`, {
      code: "mirror.unknown",
      subject: nameOrUrl,
      hint: `${suggestion(nameOrUrl, names) ?? ""}${
        names.length === 0 ? "None is configured" : `Configured: ${names.join(", ")}`
      }; \`stowage mirror add ${nameOrUrl} URL\` adds it, and a URL or a path (./${nameOrUrl}) works as it is.`,
    });
  }
  const url = urlOf(nameOrUrl, { variables, folder, place: "mirror" });
  // By its URL, too, nothing unsigned comes from where packages must be signed.
  const signed = mirrors.find((mirror) => mirror.signed && isAt(mirror, url));
  if (signed !== undefined) return signed;
  const connection: Connection = {
    url,
    access: undefined,
    tokenVariable: undefined,
    profile: undefined,
    endpointUrl: undefined,
    view: undefined,
    include: [],
    exclude: [],
  };
  return {
    name: nameOrUrl,
    fetch: connection,
    push: connection,
    source: true,
    binary: true,
    signed: isSigned(connection.url),
    autopush: false,
    origin: undefined,
  };
}

const isAt = ({ fetch, push }: Mirror, url: string): boolean =>
  [fetch?.url, push?.url].some((one) => one?.replace(/\/+$/, "") === url.replace(/\/+$/, ""));

/** @throws Failure `mirror.one-way` where the mirror has no URL for the direction */
export function connectionOf(mirror: Mirror, direction: Direction): Connection {
  const connection = mirror[direction];
  if (connection !== undefined) return connection;
  throw new Failure("usage", `mirror ${mirror.name} has no URL to ${direction}`, {
    code: "mirror.one-way",
    subject: mirror.name,
    hint: `\`stowage mirror set-url --${direction} ${mirror.name} URL\` gives it one.`,
  });
}

/**
 * User and password of one direction. Reading without them is anonymous, as in Spack; pushing is not.
 * @throws Failure `mirror.variable-unset` where pushing needs a variable that is not set
 */
export function loginOf(
  mirror: Mirror,
  direction: Direction,
  env: Readonly<Record<string, string | undefined>>,
): { readonly user: string; readonly password: string } | undefined {
  const access = mirror[direction]?.access;
  if (access === undefined) return undefined;
  const user = access.idVariable === undefined ? access.id : env[access.idVariable];
  const password = access.secretVariable === undefined ? access.secret : env[access.secretVariable];
  if (user && password) return { user, password };
  if (direction === "fetch") return undefined;
  const missing = user ? access.secretVariable : access.idVariable;
  throw new Failure("denied", `mirror ${mirror.name}: the variable ${missing} is not set`, {
    code: "mirror.variable-unset",
    subject: mirror.name,
    hint: `Set ${missing}, or name another with \`stowage mirror set ${mirror.name}\`.`,
  });
}
