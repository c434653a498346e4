import type { Request } from "./http.js";
import { type Route, routeOf } from "./route.js";

/** One request and what became of it. */
export interface Exchange {
  readonly request: Request;
  readonly status: number;
  readonly user: string | undefined;
  /** Bytes of the bodies. */
  readonly received: number;
  readonly sent: number;
  readonly milliseconds: number;
  /** false where the connection was lost before the end. */
  readonly complete: boolean;
}

/** What a path names, for the log and the metrics; undefined also where it names nothing properly. */
export function routeIn(exchange: Exchange): Route | undefined {
  try {
    return routeOf(exchange.request.path);
  } catch {
    // Malformed, which its answer has said.
    return undefined;
  }
}

/** A line of the access log: one JSON document, without secrets (no query, no headers but the client's name). */
export function logLineOf(exchange: Exchange, { now }: { now: number }): string {
  const { request, status, user, received, sent, milliseconds, complete } = exchange;
  const route = routeIn(exchange);
  return JSON.stringify({
    time: new Date(now).toISOString(),
    remote: request.remote,
    user,
    method: request.method,
    path: request.path,
    repository: route !== undefined && "name" in route ? route.name : undefined,
    status,
    received,
    sent,
    milliseconds: Math.round(milliseconds * 10) / 10,
    complete,
    agent: request.headers["user-agent"],
  });
}
