import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  /** Objects by key, of its one bucket. */
  readonly objects: Map<string, Buffer>;
  /** Parts that were uploaded and neither completed nor removed. */
  readonly uploads: Map<string, Map<number, Buffer>>;
  /** `PUT /bucket/key`, in the order they came. */
  readonly requests: string[];
}

/** What goes wrong: an answer of 503 with SlowDown, a connection that breaks before or in the middle of an answer. */
export type S3Fault = "slow-down" | "reset" | "cut";

export interface S3Options {
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Keys on a page of a listing. */
  readonly pageSize?: number;
  readonly fault?: (request: { method: string; path: string }, seen: number) => S3Fault | undefined;
}

class S3Error extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

interface S3Reply {
  readonly status?: number;
  readonly body?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

const region = "us-east-1";

/** A small S3 server of one bucket: the calls that mirrors use, each request's signature checked. */
export async function startS3(options: S3Options): Promise<S3Server> {
  const { bucket, pageSize = 1000 } = options;
  const objects = new Map<string, Buffer>();
  const uploads = new Map<string, Map<number, Buffer>>();
  const requests: string[] = [];
  const seen = new Map<string, number>();

  function answer(request: IncomingMessage, url: URL, body: Buffer): S3Reply {
    verify(request, url, body, options);
    const [, name = "", ...parts] = decodeURIComponent(url.pathname).split("/");
    const key = parts.join("/");
    if (name !== bucket) throw new S3Error(404, "NoSuchBucket");
    const upload = url.searchParams.get("uploadId");
    switch (request.method) {
      case "GET":
        return key === "" ? listing(url) : readObject(key, request.headers.range);
      case "DELETE":
        if (upload === null) objects.delete(key);
        else uploads.delete(upload);
        return { status: 204 };
      case "PUT": {
        if (upload !== null) {
          const known = uploads.get(upload);
          if (known === undefined) throw new S3Error(404, "NoSuchUpload");
          known.set(Number(url.searchParams.get("partNumber")), body);
          return { headers: { etag: tagOf(body) } };
        }
        if (request.headers["if-none-match"] === "*" && objects.has(key))
          throw new S3Error(412, "PreconditionFailed");
        objects.set(key, body);
        return { headers: { etag: tagOf(body) } };
      }
      case "POST": {
        if (upload === null) {
          const id = `upload-${uploads.size}-${Math.random()}`;
          uploads.set(id, new Map());
          return {
            body: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
          };
        }
        return complete(key, upload, body.toString());
      }
      default:
        throw new S3Error(405, "MethodNotAllowed");
    }
  }

  function complete(key: string, upload: string, document: string): S3Reply {
    const known = uploads.get(upload);
    if (known === undefined) throw new S3Error(404, "NoSuchUpload");
    const parts = [
      ...document.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>&quot;(\w+)&quot;<\/ETag>/g),
    ].map(([, number, tag]) => {
      const part = known.get(Number(number));
      if (part === undefined || tagOf(part) !== `"${tag}"`) throw new S3Error(400, "InvalidPart");
      return part;
    });
    if (parts.slice(0, -1).some(({ length }) => length < 5 * 1024 * 1024))
      throw new S3Error(400, "EntityTooSmall");
    objects.set(key, Buffer.concat(parts));
    uploads.delete(upload);
    return { body: "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>" };
  }

  function readObject(key: string, range: string | undefined): S3Reply {
    const found = objects.get(key);
    if (found === undefined) throw new S3Error(404, "NoSuchKey");
    const headers = { etag: tagOf(found), "content-type": "binary/octet-stream" };
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
    if (from === undefined) return { body: found, headers };
    if (Number(from) >= found.length) throw new S3Error(416, "InvalidRange");
    const body = found.subarray(Number(from), to ? Number(to) + 1 : undefined);
    const end = Number(from) + body.length - 1;
    return {
      status: 206,
      body,
      headers: { ...headers, "content-range": `bytes ${from}-${end}/${found.length}` },
    };
  }

  function listing(url: URL): S3Reply {
    const prefix = url.searchParams.get("prefix") ?? "";
    const after = url.searchParams.get("continuation-token") ?? "";
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, pageSize);
    const more = keys.length > page.length;
    const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    const contents = page
      .map((key) => {
        const size = objects.get(key)?.byteLength;
        const told = `<LastModified>2024-02-29T12:34:56.789Z</LastModified><Size>${size}</Size>`;
        return `<Contents><Key>${encodeURIComponent(key)}</Key>${told}</Contents>`;
      })
      .join("");
    return {
      body: `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>${next}${contents}</ListBucketResult>`,
    };
  }

  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const url = new URL(request.url ?? "/", "http://s3");
    const line = `${request.method} ${url.pathname}`;
    requests.push(line);
    const times = (seen.get(line) ?? 0) + 1;
    seen.set(line, times);
    const fault = options.fault?.({ method: request.method ?? "", path: url.pathname }, times);
    if (fault === "reset") {
      request.socket.destroy();
      return;
    }
    const reply = ((): S3Reply => {
      try {
        if (fault === "slow-down") throw new S3Error(503, "SlowDown");
        return answer(request, url, body);
      } catch (error) {
        if (!(error instanceof S3Error)) throw error;
        const document = `<?xml version="1.0"?><Error><Code>${error.code}</Code><Message>no &amp; no</Message></Error>`;
        return { status: error.status, body: document, headers: { "content-type": "application/xml" } };
      }
    })();
    const out = Buffer.from(reply.body ?? "");
    response.writeHead(reply.status ?? 200, { ...reply.headers, "content-length": out.length });
    if (fault === "cut") response.write(out.subarray(0, out.length / 2), () => request.socket.destroy());
    else response.end(out);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    objects,
    uploads,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const tagOf = (bytes: Buffer): string => `"${createHash("md5").update(bytes).digest("hex")}"`;

/** AWS Signature Version 4, as Amazon's documentation tells it ("Create a signed AWS API request"). */
function verify(request: IncomingMessage, url: URL, body: Buffer, options: S3Options): void {
  const { authorization = "" } = request.headers;
  const [, credential = "", names = "", signature] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=(\w+)$/.exec(authorization) ?? [];
  const [id, date = "", where, service] = credential.split("/");
  if (id !== options.accessKeyId) throw new S3Error(403, id === "" ? "AccessDenied" : "InvalidAccessKeyId");
  const header = (name: string): string => String(request.headers[name] ?? "").trim();
  if (options.sessionToken !== undefined && header("x-amz-security-token") !== options.sessionToken)
    throw new S3Error(403, "InvalidToken");
  if (header("x-amz-content-sha256") !== createHash("sha256").update(body).digest("hex"))
    throw new S3Error(400, "XAmzContentSHA256Mismatch");
  const query = [...url.searchParams]
    .map(([name, value]) => `${quoted(name)}=${quoted(value)}`)
    .sort()
    .join("&");
  const path = decodeURIComponent(url.pathname).split("/").map(quoted).join("/");
  const signedHeaders = names.split(";").map((name) => `${name}:${header(name)}\n`);
  const canonical = [
    request.method,
    path,
    query,
    signedHeaders.join(""),
    names,
    header("x-amz-content-sha256"),
  ].join("\n");
  const scope = `${date}/${where}/${service}/aws4_request`;
  const toSign = [
    "AWS4-HMAC-SHA256",
    header("x-amz-date"),
    scope,
    createHash("sha256").update(canonical).digest("hex"),
  ].join("\n");
  const key = [date, region, "s3", "aws4_request"].reduce<string | Buffer>(
    (secret, part) => createHmac("sha256", secret).update(part).digest(),
    `AWS4${options.secretAccessKey}`,
  );
  if (createHmac("sha256", key).update(toSign).digest("hex") !== signature)
    throw new S3Error(403, "SignatureDoesNotMatch");
}

const quoted = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
