import { readFile } from "node:fs/promises";
import { textOf } from "../../base/bytes.js";
import { isObject, type JsonObject } from "../../base/decode.js";
import { Failure } from "../../base/failure.js";
import { diskFailure, systemCodeOf } from "../disk/disk-failure.js";

/**
 * A file with logins as docker (`config.json`) and podman (`auth.json`) keep them. Only what is asked for is
 * looked at; the rest is kept as it is.
 */
export interface LoginFile {
  readonly path: string;
  /** The whole document, in the file's order. */
  readonly document: Readonly<Record<string, unknown>>;
}

/** undefined where there is no such file. @throws Failure `credentials.file-invalid` */
export async function readLoginFile(path: string): Promise<LoginFile | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT" || systemCodeOf(error) === "ENOTDIR") return undefined;
    throw diskFailure(error, { doing: "read", path });
  }
  const document = objectIn(textOf(bytes) ?? "");
  if (document === undefined) throw invalid(path, "is no JSON object");
  return { path, document };
}

/** No cause and no excerpt: the text around a syntax error may be a password. */
function objectIn(text: string): JsonObject | undefined {
  try {
    const json: unknown = text.trim() === "" ? {} : JSON.parse(text);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function invalid(path: string, why: string): Failure {
  return new Failure("usage", `${path} ${why}`, {
    code: "credentials.file-invalid",
    subject: path,
    hint: "Repair it, or move it away and log in anew.",
  });
}

/** `auths`, `credHelpers` and the like: an object, or nothing. @throws Failure `credentials.file-invalid` */
export function sectionOf({ path, document }: LoginFile, key: string): Readonly<Record<string, unknown>> {
  const value = document[key] ?? {};
  if (!isObject(value)) throw invalid(path, `has ${key} that is no object`);
  return value;
}

/** What is under a login's key. */
export interface Login {
  readonly username: string;
  readonly password: string;
  readonly identityToken: string | undefined;
  readonly accessToken: string | undefined;
}

/** @throws Failure `credentials.file-invalid` */
export function loginAt(file: LoginFile, key: string): Login | undefined {
  const entry = sectionOf(file, "auths")[key];
  if (!isObject(entry)) return undefined;
  const text = (name: string): string => {
    const value = entry[name];
    return typeof value === "string" ? value : "";
  };
  const [username, password] =
    text("auth") === "" ? [text("username"), text("password")] : split(text("auth"));
  const identityToken = text("identitytoken") || undefined;
  const accessToken = text("registrytoken") || undefined;
  // With a helper docker leaves an empty entry behind.
  if (username === "" && password === "" && identityToken === undefined && accessToken === undefined)
    return undefined;
  if (username === undefined || password === undefined)
    throw invalid(file.path, `has an auth for ${key} that is not user:password in base64`);
  return { username, password, identityToken, accessToken };
}

function split(auth: string): [username: string, password: string] | [undefined, undefined] {
  const text = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = text.indexOf(":");
  return colon < 0 ? [undefined, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}
