import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { createSecureContext } from "node:tls";
import { type Call, checkInterrupted } from "../base/call.js";
import { Failure } from "../base/failure.js";
import { freeBytesAt } from "../io/disk/place.js";
import { type DiskStorageOptions, openDiskStorage } from "../io/server/disk-storage.js";
import { keepMemoryLean } from "../io/server/lean-memory.js";
import { listen } from "../io/server/listen.js";
import { systemClock } from "../io/system/clock.js";
import { type Access, openAccess } from "../server/access.js";
import { createBasicAccess } from "../server/basic-access.js";
import { type CheckOptions, checkStorage, type StorageReport } from "../server/check.js";
import { collectGarbage } from "../server/collect.js";
import { logLineOf } from "../server/exchange.js";
import { parseHtpasswd } from "../server/htpasswd.js";
import { createMemoryStorage } from "../server/memory-storage.js";
import { createMetrics } from "../server/metrics.js";
import { createRegistry } from "../server/registry.js";
import type { Storage, Swept } from "../server/storage.js";
import { createTokenAccess } from "../server/token-access.js";

export type { CheckOptions, StorageProblem, StorageReport } from "../server/check.js";
export type { Swept } from "../server/storage.js";

export interface ServeOptions extends Call {
  /** Directory of the repositories; without it they are in memory, and gone at the end. */
  readonly root?: string | undefined;
  /** `HOST:PORT`, loopback by default; port 0 is any that is free. */
  readonly listen?: string | undefined;
  /** Files of a certificate (PEM, with its chain) and its key, to serve HTTPS. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** File of users and passwords, as `htpasswd -B` writes it. */
  readonly htpasswd?: string | undefined;
  /** Gives and asks for tokens, as Docker Hub does, and not for the password with each request. */
  readonly token?: boolean | undefined;
  readonly anonymousPull?: boolean | undefined;
  readonly readOnly?: boolean | undefined;
  /** How clients reach it where that differs from what they say in `Host`: behind a proxy. */
  readonly publicUrl?: string | undefined;
  /** This process does nothing else: it may be told to use little memory. */
  readonly dedicated?: boolean | undefined;
  /** Given a JSON line for each request, when it has ended. */
  readonly log?: ((line: string) => void) | undefined;
  /** Told of faults that are no client's. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface Served {
  /** `http://127.0.0.1:5000` */
  readonly url: string;
  /** Removes blobs that no manifest refers to, while requests go on. */
  collect(options?: CollectOptions): Promise<Swept>;
  /** Lets requests end, for ten seconds, and writes what is to be written. */
  close(): Promise<void>;
}

export interface CollectOptions extends Call {
  /** Milliseconds that a blob stays after it was last pushed or asked for; a day by default. */
  readonly grace?: number | undefined;
}

const defaultPort = 5000;
const defaultGrace = 24 * 3600 * 1000;

/**
 * Serves an OCI registry until it is closed.
 * @throws Failure `server.*`: the address, the root, the certificate or the users are not as they should be
 */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  checkInterrupted(options);
  if (options.dedicated === true) keepMemoryLean();
  const { root, readOnly, publicUrl, log, onError = () => {} } = options;
  const address = parseAddress(options.listen ?? `127.0.0.1:${defaultPort}`);
  const tls = tlsOf(options);
  const access = accessOf(options);
  const metrics = createMetrics();
  const storage =
    root === undefined ? createMemoryStorage({ clock: systemClock }) : await openRoot(root, { onError });
  const registry = metrics.wrap(createRegistry({ storage, access, readOnly, onError }));
  try {
    const listening = await listen(
      publicUrl === undefined
        ? registry
        : (request) => registry({ ...request, origin: new URL(publicUrl).origin }),
      {
        ...address,
        tls,
        onError,
        observe(exchange) {
          metrics.observe(exchange);
          log?.(logLineOf(exchange, { now: systemClock.now() }));
        },
      },
    );
    return {
      url: listening.url,
      collect: (collect) => collectFrom(storage, collect),
      async close() {
        await listening.close();
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/**
 * Reads everything below a root that no process serves, and tells what is broken.
 * @throws Failure `server.root-missing`, `server.root-in-use`
 */
export async function checkRegistry(root: string, options: CheckOptions = {}): Promise<StorageReport> {
  const dropped: StorageReport["problems"][number][] = [];
  demandRoot(root);
  const storage = await openRoot(root, {
    repair: options.repair,
    onError: (error) =>
      dropped.push({ repository: root, problem: error instanceof Error ? error.message : String(error) }),
  });
  try {
    const report = await checkStorage(storage, options);
    return { ...report, problems: [...dropped, ...report.problems] };
  } finally {
    await storage.close();
  }
}

/**
 * Removes blobs that no manifest refers to, and uploads that nobody finished, from a root that no process serves.
 * @throws Failure `server.root-missing`, `server.root-in-use`, `server.manifest-broken`
 */
export async function collectRegistry(root: string, options: CollectOptions = {}): Promise<Swept> {
  demandRoot(root);
  const storage = await openRoot(root, { onError: () => {} });
  try {
    return await collectFrom(storage, options);
  } finally {
    await storage.close();
  }
}

/** What is looked into is not made: a mistyped root would be found to be in order. */
function demandRoot(root: string): void {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() === true) return;
  throw new Failure("not-found", `there is no registry at ${root}`, {
    code: "server.root-missing",
    subject: root,
    hint: "Name the folder that `stowage serve --root` was given.",
  });
}

async function openRoot(
  root: string,
  options: Pick<DiskStorageOptions, "onError" | "repair">,
): Promise<Storage> {
  await freeBytesAt(resolve(root));
  return openDiskStorage({ ...options, root: resolve(root), clock: systemClock });
}

const collectFrom = (
  storage: Storage,
  { grace = defaultGrace, ...call }: CollectOptions = {},
): Promise<Swept> => collectGarbage(storage, { ...call, before: systemClock.now() - grace });

function parseAddress(text: string): { host: string; port: number } {
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[^:[\]]*):(\d{1,5})$/i.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535)
    throw new Failure("usage", `"${text}" is not an address to listen on`, {
      code: "server.address-invalid",
      subject: text,
      hint: "Write HOST:PORT, as in 127.0.0.1:5000 or [::]:5000; 0.0.0.0 is every network.",
    });
  return { host: host.replace(/^\[|\]$/g, "") || "127.0.0.1", port: Number(port) };
}

function tlsOf({ tlsCert, tlsKey }: ServeOptions): { cert: string; key: string } | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw new Failure("usage", "a certificate and its key come together", {
      code: "server.tls-incomplete",
      hint: "Give both --tls-cert and --tls-key.",
    });
  const pair = { cert: textOfFile(tlsCert), key: textOfFile(tlsKey) };
  try {
    createSecureContext(pair);
  } catch (cause) {
    throw new Failure(
      "usage",
      `cannot serve HTTPS with ${tlsCert} and ${tlsKey}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        code: "server.tls-invalid",
        subject: tlsCert,
        hint: "Give a certificate and the key that belongs to it, both as PEM, the key without a passphrase.",
        cause,
      },
    );
  }
  return pair;
}

function accessOf({ htpasswd, token, anonymousPull, readOnly }: ServeOptions): Access {
  const users = htpasswd === undefined ? undefined : parseHtpasswd(textOfFile(htpasswd), htpasswd);
  if (token === true)
    return createTokenAccess({
      users,
      anonymousPull,
      readOnly,
      // New with each start: a client whose token is refused asks for another.
      key: randomBytes(32),
      now: systemClock.now,
    });
  return users === undefined ? openAccess : createBasicAccess({ users, anonymousPull });
}

function textOfFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Failure(
      "usage",
      `cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        code: "server.file-unreadable",
        subject: path,
        hint: "Name a file that this user may read.",
        cause,
      },
    );
  }
}
