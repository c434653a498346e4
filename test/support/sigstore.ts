import { createHash, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import {
  fulcioHandler,
  initializeCA,
  initializeCTLog,
  initializeTLog,
  initializeTSA,
  rekorHandler,
  tsaHandler,
} from "@sigstore/mock";
import { isObject } from "../../src/base/decode.js";

export interface Sigstore extends AsyncDisposable {
  readonly url: string;
  /** JSON of a trusted root for what it signs. */
  readonly root: object;
}

/** Fulcio, Rekor and a time stamp authority on a port of 127.0.0.1, with a root of their own. */
export async function startSigstore(): Promise<Sigstore> {
  const keys = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ctLog = await initializeCTLog(keys());
  const ca = await initializeCA(keys(), ctLog);
  const handlers = new Map<string, (body: string) => Promise<{ statusCode: number; response: unknown }>>();
  const server = createServer(async (request, response) => {
    const handler = handlers.get(request.url ?? "");
    const body = await text(request);
    const answer = (await handler?.(body)) ?? { statusCode: 404, response: "" };
    response.writeHead(answer.statusCode, { "content-type": "application/json" });
    const { response: content } = answer;
    response.end(typeof content === "string" ? content : Buffer.from(content as ArrayBuffer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const url = `http://127.0.0.1:${address.port}`;
  const tlog = await initializeTLog(url, keys());
  // Of a whole second, within the life of certificates: the mock writes fractions as no reader takes them.
  const tsa = await initializeTSA(keys(), new Date(Math.ceil(Date.now() / 1000 + 60) * 1000));
  const rekor = rekorHandler({ ...tlog, log: (entry) => tlog.log(asStored(entry)) });
  for (const { path, fn } of [fulcioHandler(ca), rekor, tsaHandler(tsa)]) handlers.set(path, fn);

  const base64 = (bytes: unknown): string => Buffer.from(bytes as ArrayBuffer).toString("base64");
  const validFor = { start: "2020-01-01T00:00:00Z" };
  const subject = { commonName: "sigstore", organization: "mock" };
  const chain = (...certificates: readonly unknown[]) => ({
    certificates: certificates.map((one) => ({ rawBytes: base64(one) })),
  });
  const log = (key: Buffer) => ({
    baseUrl: url,
    hashAlgorithm: "SHA2_256",
    publicKey: { rawBytes: base64(key), keyDetails: "PKIX_ECDSA_P256_SHA_256", validFor },
    logId: { keyId: createHash("sha256").update(key).digest("base64") },
  });
  return {
    url,
    root: {
      mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
      tlogs: [log(tlog.publicKey)],
      ctlogs: [log(ctLog.publicKey)],
      certificateAuthorities: [{ subject, uri: url, certChain: chain(ca.rootCertificate), validFor }],
      timestampAuthorities: [
        { subject, uri: url, certChain: chain(tsa.intCertificate, tsa.rootCertificate), validFor },
      ],
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** An entry of type dsse as Rekor keeps it: hashes and signatures instead of the envelope (rekor, types/dsse). */
function asStored(entry: object): object {
  const spec: unknown = Reflect.get(entry, "spec");
  const proposed = isObject(spec) ? spec["proposedContent"] : undefined;
  if (!isObject(proposed)) return entry;
  const envelope = String(proposed["envelope"]);
  const { payload, signatures } = JSON.parse(envelope);
  const verifier = Array.isArray(proposed["verifiers"]) ? proposed["verifiers"][0] : undefined;
  const hashOf = (data: string | Buffer) => ({
    algorithm: "sha256",
    value: createHash("sha256").update(data).digest("hex"),
  });
  return {
    ...entry,
    spec: {
      envelopeHash: hashOf(envelope),
      payloadHash: hashOf(Buffer.from(payload, "base64")),
      signatures: signatures.map(({ sig }: { sig: string }) => ({ signature: sig, verifier })),
    },
  };
}

/** A token as a job gets it; the mock believes any. */
export function jobToken(subject: string, issuer: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: subject, iss: issuer, aud: "sigstore", iat: now, exp: now + 600 };
  return `${part({ alg: "RS256", typ: "JWT" })}.${part(claims)}.${part({})}`;
}
