import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import bcrypt from "bcryptjs";
import { openDiskStorage } from "../../src/io/server/disk-storage.js";
import { listen } from "../../src/io/server/listen.js";
import { type Access, openAccess } from "../../src/server/access.js";
import { createBasicAccess } from "../../src/server/basic-access.js";
import { parseHtpasswd } from "../../src/server/htpasswd.js";
import type { Handler, Request } from "../../src/server/http.js";
import { createMemoryStorage } from "../../src/server/memory-storage.js";
import { createRegistry } from "../../src/server/registry.js";
import type { Storage } from "../../src/server/storage.js";
import { createTokenAccess } from "../../src/server/token-access.js";
import { type ChooseFault, Cut, withFaults } from "./faults.js";
import { scratchDirectory } from "./fixtures.js";

export interface TestRegistryOptions {
  readonly storage?: "memory" | "disk";
  /** Root of a disk storage that outlives the registry; without it, a scratch one that does not. */
  readonly root?: string;
  /** Over HTTPS with a certificate that `ca` signed. */
  readonly tls?: boolean;
  /** Users and passwords that it asks for: `{ alice: "secret" }`. */
  readonly htpasswd?: Readonly<Record<string, string>>;
  /** Asks for tokens, which its own endpoint gives to the users of `htpasswd`. */
  readonly token?: boolean;
  readonly anonymousPull?: boolean;
  readonly readOnly?: boolean;
  readonly fault?: ChooseFault;
  /** What else stands between the socket and the registry. */
  readonly wrap?: (handler: Handler) => Handler;
}

export interface TestRegistry extends AsyncDisposable {
  /** `http://127.0.0.1:12345` */
  readonly url: string;
  /** `127.0.0.1:12345`: what references begin with. */
  readonly host: string;
  readonly storage: Storage;
  /** Answers without a socket, and without faults. */
  readonly handler: Handler;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly Request[];
  close(): Promise<void>;
}

/** A registry on a free port of 127.0.0.1, gone at the end of `await using`. */
export async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const { fault, readOnly, tls, wrap = (handler) => handler } = options;
  const scratch = options.storage === "disk" && options.root === undefined ? scratchDirectory() : undefined;
  const root = options.root ?? scratch?.path;
  const clock = { now: () => Date.now() };
  const onError = (error: unknown): void => {
    if (!(error instanceof Cut)) console.error("registry:", error);
  };
  const storage =
    root === undefined ? createMemoryStorage({ clock }) : openDiskStorage({ root, clock, onError });
  const handler = createRegistry({ storage, access: accessOf(options), readOnly, onError });
  const requests: Request[] = [];
  const faulty = wrap(fault === undefined ? handler : withFaults(handler, fault));
  const listening = await listen(
    (request) => {
      requests.push(request);
      return faulty(request);
    },
    { onError, tls: tls === true ? { cert: pem("cert"), key: pem("key") } : undefined },
  );
  const close = async (): Promise<void> => {
    await listening.close({ grace: 0 });
    await storage.close();
    scratch?.[Symbol.dispose]();
  };
  return {
    url: listening.url,
    host: new URL(listening.url).host,
    storage,
    handler,
    requests,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A file of test/fixtures/tls; `ca` is what clients have to trust. */
export const pemPath = (name: "ca" | "cert" | "key"): string =>
  fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));

export const pem = (name: "ca" | "cert" | "key"): string => readFileSync(pemPath(name), "utf8");

function accessOf({ htpasswd, token, anonymousPull, readOnly }: TestRegistryOptions): Access {
  const users = htpasswd && parseHtpasswd(htpasswdOf(htpasswd), "htpasswd");
  if (token === true)
    return createTokenAccess({
      users,
      anonymousPull,
      readOnly,
      key: randomBytes(32),
      now: () => Date.now(),
    });
  return users === undefined ? openAccess : createBasicAccess({ users, anonymousPull });
}

/** As `htpasswd -B` writes it, at the lowest cost there is. */
export const htpasswdOf = (users: Readonly<Record<string, string>>): string =>
  Object.entries(users)
    .map(([user, password]) => `${user}:${bcrypt.hashSync(password, 4)}\n`)
    .join("");
