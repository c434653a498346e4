import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Bytes } from "../../base/bytes.js";
import { Failure } from "../../base/failure.js";
import { RegistryError } from "../../server/error.js";
import type { Exchange } from "../../server/exchange.js";
import type { Handler, Request, Response } from "../../server/http.js";

export interface ListenOptions {
  /** Loopback unless said otherwise. */
  readonly host?: string | undefined;
  /** 0: any that is free. */
  readonly port?: number | undefined;
  /** PEM texts of a certificate (with its chain) and its key. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Told of each exchange when it has ended. */
  readonly observe?: ((exchange: Exchange) => void) | undefined;
  /** Told why an exchange was reset, where it was not the client who left. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface Listening {
  /** `scheme://host:port` */
  readonly url: string;
  /** Takes no new requests, lets those under way end for `grace` milliseconds, then cuts them off. */
  close(options?: { grace?: number }): Promise<void>;
}

/** A connection on which nothing moves is given up after this: a stalled peer should not hold an upload. */
const idleMilliseconds = 120_000;

/** Serves a handler over HTTP, or over HTTPS with `tls`. */
export async function listen(handler: Handler, options: ListenOptions = {}): Promise<Listening> {
  const { host = "127.0.0.1", port = 0, tls, observe, onError } = options;
  const scheme = tls === undefined ? "http" : "https";
  let closing = false;
  const onRequest = async (message: IncomingMessage, reply: ServerResponse): Promise<void> => {
    await exchange({ handler, scheme, message, reply, observe, onError });
    if (closing) server.closeIdleConnections();
  };
  const settings = {
    // Bodies may take hours as long as they move; heads may not.
    requestTimeout: 0,
    headersTimeout: 30_000,
    keepAliveTimeout: 60_000,
  };
  const server = tls === undefined ? createHttp(settings) : createHttps({ ...settings, ...tls });
  server.timeout = idleMilliseconds;
  server.on("request", (message, reply) => void onRequest(message, reply));
  // With a listener of our own, `100 Continue` is sent when the body is wanted, and not to who is refused.
  server.on("checkContinue", (message, reply) => void onRequest(message, reply));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new Failure("unavailable", `cannot listen on ${host}:${port}: ${error.message}`, {
          code: "server.listen",
          hint: "Choose another address with --listen HOST:PORT (port 0 takes any that is free).",
          cause: error,
        }),
      ),
    );
    server.listen(port, host, resolve);
  });
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a TCP address");
  const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return {
    url: `${scheme}://${name}:${address.port}`,
    async close({ grace = 10_000 } = {}) {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), grace);
      await closed;
      clearTimeout(cut);
    },
  };
}

async function exchange({
  handler,
  scheme,
  message,
  reply,
  observe,
  onError,
}: Pick<ListenOptions, "observe" | "onError"> & {
  handler: Handler;
  scheme: string;
  message: IncomingMessage;
  reply: ServerResponse;
}): Promise<void> {
  const started = performance.now();
  const { socket } = message;
  const count = { received: 0, sent: 0 };
  const request = requestFrom(message, { scheme, reply, count });
  let response: Response | undefined;
  try {
    response = await handler(request);
    const refused = isWorthRefusing(message, count.received);
    if (refused) reply.setHeader("Connection", "close");
    reply.writeHead(response.status, response.headers);
    await send(reply, response, count);
    // A client that asked first sends nothing now.
    if (refused && message.headers.expect === undefined) await linger(message);
    reply.end();
    await ended(reply);
  } catch (error) {
    if (!socket.destroyed) onError?.(error);
    // No answer, or one that broke in the middle: only a reset tells the client so.
    reset(socket);
  }
  observe?.({
    request,
    status: response?.status ?? 0,
    user: response?.user,
    ...count,
    milliseconds: performance.now() - started,
    complete: reply.writableFinished,
  });
}

function requestFrom(
  message: IncomingMessage,
  { scheme, reply, count }: { scheme: string; reply: ServerResponse; count: { received: number } },
): Request {
  const target = message.url ?? "/";
  const at = target.indexOf("?");
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(message.headers))
    headers[name] = Array.isArray(value) ? value.join(", ") : value;
  return {
    method: message.method ?? "GET",
    path: at < 0 ? target : target.slice(0, at),
    query: new URLSearchParams(at < 0 ? "" : target.slice(at + 1)),
    headers,
    body: bodyOf(message, reply, count),
    origin: `${scheme}://${headers["host"] ?? "localhost"}`,
    remote: message.socket.remoteAddress,
    abort: () => reset(message.socket),
  };
}

async function* bodyOf(message: IncomingMessage, reply: ServerResponse, count: { received: number }): Bytes {
  if (message.headers.expect?.toLowerCase() === "100-continue") reply.writeContinue();
  // Who stops reading, because a body is too large, still answers: the connection outlives the iterator.
  const chunks: Bytes = message.iterator({ destroyOnReturn: false });
  try {
    for await (const chunk of chunks) {
      count.received += chunk.byteLength;
      yield chunk;
    }
  } catch {
    // The one way in which a request's body fails: its sender is gone, and it is nobody's fault here.
    throw new RegistryError("SIZE_INVALID", "the connection was lost before the end of the body");
  }
}

async function send(
  reply: ServerResponse,
  { headers, body }: Response,
  count: { sent: number },
): Promise<void> {
  if (body === undefined) return;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    if (reply.destroyed) throw new Error("the client is gone");
    count.sent += chunk.byteLength;
    if (!reply.write(chunk)) await drained(reply);
  }
  const promised = headers["Content-Length"];
  // The client would wait for the rest.
  if (promised !== undefined && count.sent !== Number(promised))
    throw new Error(`an answer of ${promised} bytes ended after ${count.sent}`);
}

const drained = (reply: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      reply.off("drain", done);
      reply.off("close", done);
      resolve();
    };
    reply.on("drain", done);
    reply.on("close", done);
  });

const ended = (reply: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    if (reply.writableFinished || reply.destroyed) resolve();
    else reply.once("close", resolve);
  });

/** What is left of a refused body is swallowed up to this size; past it, closing the connection costs less. */
const swallowedBytes = 1024 * 1024;

const isWorthRefusing = ({ complete, headers }: IncomingMessage, received: number): boolean =>
  !complete &&
  (headers["transfer-encoding"] !== undefined ||
    Number(headers["content-length"] ?? 0) - received > swallowedBytes);

/** Closing at once would reset the connection under the answer: the client gets a second to read it. */
async function linger(message: IncomingMessage): Promise<void> {
  message.resume();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, 1000);
    message.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function reset(socket: Socket): void {
  // A TLS socket has no reset of its own.
  if ("encrypted" in socket) socket.destroy();
  else socket.resetAndDestroy();
}
