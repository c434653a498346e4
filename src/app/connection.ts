import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Failure } from "../base/failure.js";
import { type GivenCredential, openCredentials } from "../io/credentials/credentials.js";
import { type HttpClient, openHttpClient } from "../io/http-client/http-client.js";
import { systemClock, systemRandom } from "../io/system/clock.js";
import type { Context } from "./context.js";

/**
 * The one HTTP client of an operation, with the machine's logins, proxies and certificates.
 * @param given logins of mirrors, which go before all others; the list may still grow
 * @throws Failure `connection.file-unreadable`
 */
export function openConnection(context: Context, given: readonly GivenCredential[] = []): HttpClient {
  const { env, home, cwd, connection } = context;
  const read = (path: string | undefined): string | undefined =>
    path === undefined || path === "" ? undefined : pemAt(resolve(cwd, path));
  const tls = {
    ca: read(connection.ca),
    cert: read(connection.clientCert),
    key: read(connection.clientKey),
  };
  return openHttpClient({
    clock: systemClock,
    random: systemRandom,
    credentials: openCredentials({ environment: env, home, given }),
    environment: env,
    concurrency: context.jobs,
    insecure: connection.insecure,
    tls: Object.values(tls).some((text) => text !== undefined) ? tls : undefined,
  });
}

function pemAt(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Failure("usage", `cannot read the certificates in ${path}`, {
      code: "connection.file-unreadable",
      subject: path,
      hint: "Certificates and keys are given as PEM files.",
      cause,
    });
  }
}
