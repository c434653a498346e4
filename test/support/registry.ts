import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Listening, listen } from "../../src/io/server/listen.js";
import type { Handler, Request } from "../../src/server/http.js";
import { openDiskStorage } from "../../src/io/server/disk-storage.js";
import { createMemoryStorage } from "../../src/server/memory-storage.js";
import { createRegistry } from "../../src/server/registry.js";
import type { Storage } from "../../src/server/storage.js";
import { type ChooseFault, withFaults } from "./faults.js";

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
  const { fault, wrap = (handler) => handler } = options;
  const scratch = options.storage === "disk" && options.root === undefined ? scratchFolder() : undefined;
  const clock = { now: () => Date.now() };
  const onError = (error: unknown): void => console.error("registry:", error);
  const root = options.root ?? scratch;
  const storage =
    root === undefined ? createMemoryStorage({ clock }) : openDiskStorage({ root, clock, onError });
  const handler = createRegistry({
    storage,
    readOnly: options.readOnly,
    onError: (error, { method, path }) => console.error(`registry: ${method} ${path}:`, error),
  });
  const requests: Request[] = [];
  const faulty = wrap(fault === undefined ? handler : withFaults(handler, fault));
  const listening: Listening = await listen((request) => {
    requests.push(request);
    return faulty(request);
  });
  const close = async (): Promise<void> => {
    await listening.close({ grace: 0 });
    await storage.close();
    if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true });
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

/** In memory where the system can, for every manifest is synced to the disk. */
export const scratchFolder = (): string =>
  mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "stowage-registry-"));
