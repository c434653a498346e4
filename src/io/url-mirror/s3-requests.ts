import { createHash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import { type Call, checkInterrupted } from "../../base/call.js";
import type { Clock } from "../../base/clock.js";
import type { Answer } from "../http-client/answer.js";
import type { HttpClient, HttpRequest, Method } from "../http-client/http-client.js";
import { TransientFailure } from "../http-client/tries.js";
import { errorCodeOf, s3Refusal } from "./s3-answer.js";
import type { S3Settings } from "./s3-credentials.js";

export interface S3Request {
  readonly method: Method;
  /** Of the object; empty: of the bucket. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | undefined;
  readonly streamed?: boolean | undefined;
  readonly continued?: boolean | undefined;
}

/** One bucket, asked by signed requests. */
export interface S3Bucket {
  readonly client: HttpClient;
  urlOf(key: string): URL;
  /** One try. */
  attempt(request: S3Request, call?: Call): Promise<Answer>;
  /** Tries until an answer says something. */
  send(request: S3Request, call?: Call): Promise<Answer>;
}

export interface S3BucketOptions extends S3Settings {
  readonly client: HttpClient;
  readonly clock: Clock;
}

export function openBucket(name: string, options: S3BucketOptions): S3Bucket {
  const { client, clock, credentials, endpoint } = options;
  let { region } = options;

  // Buckets are hosts at AWS, but for names with dots, which no certificate covers; elsewhere they are folders.
  function urlOf(key: string, query: Readonly<Record<string, string>> = {}): URL {
    const inPath = endpoint !== undefined || name.includes(".");
    const host = `s3.${region}.amazonaws.com`;
    const url = new URL(endpoint ?? (inPath ? `https://${host}` : `https://${name}.${host}`));
    const parts = [...(inPath ? [name] : []), ...key.split("/")].map(encodeURIComponent);
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/${parts.join("/")}`;
    for (const [parameter, value] of Object.entries(query)) url.searchParams.set(parameter, value);
    return url;
  }

  async function signed({
    method,
    key,
    query,
    headers = {},
    body,
    ...rest
  }: S3Request): Promise<HttpRequest> {
    const url = urlOf(key, query);
    const request = { method, url, body, follow: false, ...rest };
    if (credentials === undefined) return { ...request, headers };
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: {
        ...headers,
        // S3 compares it with what arrives: what breaks on the way is refused.
        "x-amz-content-sha256": createHash("sha256")
          .update(body ?? "")
          .digest("hex"),
      },
      service: "s3",
      region,
      datetime: new Date(clock.now()).toISOString().replaceAll(/[:-]|\.\d{3}/g, ""),
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey,
      ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
    });
    const { headers: out } = await signer.sign();
    return { ...request, headers: Object.fromEntries([...out].filter(([header]) => header !== "host")) };
  }

  async function attempt(request: S3Request, call?: Call): Promise<Answer> {
    checkInterrupted(call);
    const answer = await client.attempt(await signed(request), call);
    const at = answer.header("x-amz-bucket-region");
    if (![301, 307, 400].includes(answer.status) || at === undefined || at === region) return check(answer);
    // It is in another region than we were told.
    region = at;
    answer.body?.destroy();
    return check(await client.attempt(await signed(request), call));
  }

  return {
    client,
    urlOf,
    attempt,
    async send(request, call) {
      const tries = client.tries(urlOf(request.key), call);
      for (;;) {
        try {
          return await attempt(request, call);
        } catch (error) {
          await tries.again(error);
        }
      }
    },
  };
}

/** What another try may better, also where S3 tells of it in an answer that began well. */
function check(answer: Answer): Answer {
  const refusal = errorCodeOf(answer) === undefined ? undefined : s3Refusal(answer);
  if (refusal instanceof TransientFailure) throw refusal;
  return answer;
}
