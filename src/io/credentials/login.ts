import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Call } from "../../base/call.js";
import { writeAtomically } from "../disk/atomic.js";
import { helperOf } from "./credentials.js";
import { openHelper } from "./helper.js";
import { type LoginFile, readLoginFile, sectionOf } from "./login-file.js";
import { dockerFile, keysOf, type Surroundings, serverOf } from "./places.js";

export interface StoredLogin {
  /** Where it is now, for people: a file or a helper. */
  readonly place: string;
  /** It is in the file as it is, for who can read the file. */
  readonly isPlain: boolean;
}

/** The file that logins are written to. */
const fileFor = (surroundings: Surroundings): string =>
  surroundings.environment["REGISTRY_AUTH_FILE"] || dockerFile(surroundings);

const open = async (surroundings: Surroundings): Promise<LoginFile> => {
  const path = fileFor(surroundings);
  return (await readLoginFile(path)) ?? { path, document: {} };
};

/** Stores a login as `docker login` does: by the helper that the file names, else in the file itself. */
export async function storeLogin(
  { domain, username, password }: { domain: string; username: string; password: string },
  surroundings: Surroundings,
  call?: Call,
): Promise<StoredLogin> {
  const file = await open(surroundings);
  const key = serverOf(domain);
  const helperName = helperOf(file, keysOf({ domain }));
  if (helperName !== undefined) {
    const helper = openHelper(helperName, surroundings);
    await helper.store(key, { username, secret: password }, call);
    return { place: helper.program, isPlain: false };
  }
  const auth = Buffer.from(`${username}:${password}`).toString("base64");
  await write(file, { ...sectionOf(file, "auths"), [key]: { auth } });
  return { place: file.path, isPlain: true };
}

/** Removes a registry's logins from the file and its helper. @returns where there was one */
export async function removeLogin(
  domain: string,
  surroundings: Surroundings,
  call?: Call,
): Promise<readonly string[]> {
  const file = await open(surroundings);
  const keys = keysOf({ domain });
  const places: string[] = [];
  const helperName = helperOf(file, keys);
  if (helperName !== undefined) {
    const helper = openHelper(helperName, surroundings);
    if ((await helper.get(serverOf(domain), call)) !== undefined) {
      await helper.erase(serverOf(domain), call);
      places.push(helper.program);
    }
  }
  const auths = Object.entries(sectionOf(file, "auths"));
  const kept = auths.filter(([key]) => !keys.includes(key));
  if (kept.length < auths.length) {
    await write(file, Object.fromEntries(kept));
    places.push(file.path);
  }
  return places;
}

async function write({ path, document }: LoginFile, auths: Readonly<Record<string, unknown>>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeAtomically(path, `${JSON.stringify({ ...document, auths }, undefined, "\t")}\n`, {
    mode: 0o600,
  });
}
