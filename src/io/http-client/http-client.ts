import { setMaxListeners } from "node:events";
import { Readable } from "node:stream";
import { type Bytes, readAll } from "../../base/bytes.js";
import { type Call, checkInterrupted } from "../../base/call.js";
import type { Clock, Random } from "../../base/clock.js";
import { redactUrl } from "../../base/redact.js";
import { type CredentialStore, noCredentials } from "../../oci/credential.js";
import { maxMetadataSize } from "../../oci/json.js";
import { openAgents, type TlsOptions } from "./agents.js";
import { type Answer, answerFailure, unexpected } from "./answer.js";
import { type Access, type Authorizer, createAuthorizer } from "./authorizer.js";
import { createHost, type Host, type Lane } from "./host.js";
import { assertReachable, resolveLocation } from "./origin.js";
import type { Environment } from "./proxy.js";
import { readStart, watched } from "./streams.js";
import { networkFailure, transientAnswer } from "./transient.js";
import { createTries, type RetryPolicy, type Tries } from "./tries.js";

export type Method = "GET" | "HEAD" | "PUT" | "POST" | "PATCH" | "DELETE";

/** A body that can be sent again. */
export interface RequestBody {
  readonly size: number;
  open(call?: Call): Bytes;
}

export interface HttpRequest {
  readonly method: Method;
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | RequestBody | undefined;
  readonly access?: Access | undefined;
  /** Leave the body of a good answer to the caller, as a stream. */
  readonly streamed?: boolean | undefined;
  /** Go where redirects lead (the default). */
  readonly follow?: boolean | undefined;
  /** Part of a transfer that is under way already: it does not queue again. */
  readonly continued?: boolean | undefined;
}

export interface HttpClient extends AsyncDisposable {
  /**
   * Sends a request, again and again where that may help, until an answer comes that says something: 2xx, or
   * a 3xx or 4xx that is not about load or login.
   * @throws RegistryFailure `registry.*`
   */
  send(request: HttpRequest, call?: Call): Promise<Answer>;
  /** One try of `send`, for who must find out between two tries how far the last one came. */
  attempt(request: HttpRequest, call?: Call): Promise<Answer>;
  /** Decides over the tries of what is done by `attempt`. */
  tries(url: URL, call?: Call): Tries;
  readonly authorizer: Authorizer;
  close(): Promise<void>;
}

export interface HttpClientOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly credentials?: CredentialStore | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Takes any certificate, and sends secrets over http. */
  readonly insecure?: boolean | undefined;
  /** Where proxies are looked up (default: that of the process). */
  readonly environment?: Environment | undefined;
  /** Requests to one host at once. */
  readonly concurrency?: number | undefined;
  readonly retry?: Partial<Omit<RetryPolicy, "clock" | "random">> | undefined;
  /** Retries of all requests to a host together, until successes have earned more. */
  readonly retryBudget?: number | undefined;
  /** Milliseconds without any byte in either direction. */
  readonly idleTimeout?: number | undefined;
  /** Milliseconds that a registry may take to answer once it has the whole body: large blobs are moved and hashed. */
  readonly commitTimeout?: number | undefined;
  readonly userAgent?: string | undefined;
}

const defaults = {
  concurrency: 16,
  retryBudget: 64,
  idleTimeout: 60_000,
  commitTimeout: 15 * 60_000,
  retry: { tries: 7, firstWait: 500, longestWait: 30_000, longestAsked: 5 * 60_000 },
};

/** Redirects in a row; storage takes one, a mirror in front of it another. */
const maxRedirects = 5;
/** What of an error's body is read. */
const maxErrorSize = 64 * 1024;

export function openHttpClient(options: HttpClientOptions): HttpClient {
  const { clock, random, insecure = false } = options;
  const { concurrency = defaults.concurrency, retryBudget = defaults.retryBudget } = options;
  const { idleTimeout = defaults.idleTimeout, commitTimeout = defaults.commitTimeout } = options;
  const policy: RetryPolicy = { clock, random, ...defaults.retry, ...options.retry };
  const agents = openAgents({
    tls: options.tls,
    insecure,
    environment: options.environment ?? process.env,
    idleTimeout,
  });
  const hosts = new Map<string, Host>();

  function hostOf({ host }: URL): Host {
    const known = hosts.get(host);
    if (known !== undefined) return known;
    const created = createHost({ clock, random, concurrency, retries: retryBudget });
    hosts.set(host, created);
    return created;
  }

  const tries = (url: URL, call?: Call): Tries => createTries(hostOf(url), policy, call);

  async function send(request: HttpRequest, call?: Call): Promise<Answer> {
    const left = tries(request.url, call);
    for (;;) {
      try {
        return await attempt(request, call);
      } catch (error) {
        await left.again(error);
      }
    }
  }

  const authorizer = createAuthorizer({
    credentials: options.credentials ?? noCredentials,
    clock,
    insecure,
    request: ({ method, url, headers, body }, call) =>
      send(
        { method, url, headers, body: body === undefined ? undefined : Buffer.from(body), follow: false },
        call,
      ),
  });

  async function attempt(request: HttpRequest, call?: Call): Promise<Answer> {
    checkInterrupted(call);
    // Every request under way listens to the one signal of its operation: that is no leak.
    if (call?.signal !== undefined) setMaxListeners(0, call.signal);
    const { access } = request;
    if (access === undefined) return exchange(request, undefined, call);
    const used = await authorizer.header(access);
    let answer = await exchange(request, used, call);
    if (answer.status === 401 && answer.url.origin === access.origin)
      answer = await exchange(request, await authorizer.renew(access, { answer, used }), call);
    if (answer.status === 401 || answer.status === 403) throw await authorizer.denied(access, answer);
    return answer;
  }

  /** One request, and where its answer leaves open what it means, the one that says more. */
  async function exchange(
    request: HttpRequest,
    authorization: string | undefined,
    call: Call | undefined,
  ): Promise<Answer> {
    const answer = await admitted(request, authorization, call);
    if (request.method !== "HEAD" || !isDoubtful(answer)) return answer;
    const said = await admitted({ ...request, method: "GET", streamed: true }, authorization, call);
    said.body?.destroy();
    return said;
  }

  /** One request, through its redirects, within the limits of its host. */
  async function admitted(
    request: HttpRequest,
    authorization: string | undefined,
    call: Call | undefined,
  ): Promise<Answer> {
    const host = hostOf(request.url);
    const lane: Lane =
      request.body === undefined || request.body instanceof Uint8Array ? "request" : "upload";
    const leave = request.continued === true ? () => {} : await host.enter(lane, call);
    const sentAt = clock.now();
    try {
      const answer = await followed(request, authorization, call);
      const transient = transientAnswer(answer, {
        sentAt,
        now: clock.now(),
        redirected: answer.url.host !== request.url.host,
      });
      if (transient !== undefined) throw transient;
      host.succeeded();
      return answer;
    } catch (error) {
      checkInterrupted(call);
      throw networkFailure(error, { method: request.method, url: request.url });
    } finally {
      leave();
    }
  }

  async function followed(
    request: HttpRequest,
    authorization: string | undefined,
    call: Call | undefined,
  ): Promise<Answer> {
    let { url } = request;
    let isHome = true;
    for (let hops = 0; ; hops += 1) {
      // Who was sent away does not come back with credentials, whoever sends them back.
      isHome &&= url.origin === request.access?.origin;
      const answer = await dispatch({ ...request, url }, isHome ? authorization : undefined, call);
      const to = request.follow === false ? undefined : redirectOf(answer);
      if (to === undefined) return answer;
      assertReachable(to, { from: url, method: request.method });
      if (hops === maxRedirects)
        throw answerFailure("unsupported", answer, {
          code: "registry.too-many-redirects",
          hint: "Check the address, and what a proxy makes of it: requests are sent in a circle.",
          why: `which is redirect number ${hops + 1}`,
        });
      url = to;
    }
  }

  async function dispatch(
    { method, url, headers, body, streamed }: HttpRequest,
    authorization: string | undefined,
    call: Call | undefined,
  ): Promise<Answer> {
    const isUpload = body !== undefined && !(body instanceof Uint8Array);
    const stalled = new AbortController();
    const signals = [
      ...(isUpload ? [stalled.signal] : []),
      ...(call?.signal === undefined ? [] : [call.signal]),
    ];
    const response = await agents.agentFor(url).request({
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: {
        "user-agent": options.userAgent ?? "stowage",
        "accept-encoding": "identity",
        ...headers,
        ...(body === undefined ? {} : { "content-length": String(isUpload ? body.size : body.byteLength) }),
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: isUpload
        ? Readable.from(watched(body.open(call), { idleTimeout, stalled }), {
            objectMode: false,
            highWaterMark: 1,
          })
        : (body ?? null),
      signal: signals.length > 1 ? AbortSignal.any(signals) : (signals[0] ?? null),
      headersTimeout: method === "GET" || method === "HEAD" ? idleTimeout : commitTimeout,
      // undici would close the connection after each HEAD, lest the answer have a body all the same.
      reset: false,
    });
    const header = (name: string): string | undefined => {
      const value = response.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    };
    const { statusCode: status } = response;
    const answer = { method, url, status, header };
    if (streamed === true && status >= 200 && status < 300) {
      // A body that nobody reads to its end may still break; who reads it hears of that by itself.
      response.body.on("error", () => {});
      return { ...answer, bytes: new Uint8Array(), body: response.body };
    }
    const bytes =
      status < 300
        ? await readAll(response.body, {
            limit: maxMetadataSize,
            subject: `the answer of ${redactUrl(url.href)}`,
          })
        : await readStart(response.body, maxErrorSize);
    return { ...answer, bytes, body: undefined };
  }

  const close = (): Promise<void> => agents.close();
  return { send, attempt, tries, authorizer, close, [Symbol.asyncDispose]: close };
}

/** Where an answer sends us; undefined where it is itself what was asked for. */
function redirectOf(answer: Answer): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(answer.status)) return undefined;
  const to = resolveLocation(answer.header("location") ?? "", answer.url);
  if (to === undefined || answer.header("location") === undefined)
    throw unexpected(answer, "which leads nowhere");
  // 301 to 303 let a client ask by GET, without the body (RFC 9110, 15.4): not what was to be done.
  if (answer.status < 307 && answer.method !== "GET" && answer.method !== "HEAD")
    throw unexpected(answer, `to a ${answer.method}`);
  return to;
}

/**
 * A HEAD cannot say why: whether a 403 is about us or about too many requests, whether a 404 is the registry's
 * own word or that of anything else that answers there.
 */
const isDoubtful = ({ status, header }: Answer): boolean =>
  status === 403 || (status === 404 && !/^(application\/.*json|$)/i.test(header("content-type") ?? ""));
