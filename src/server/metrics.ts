import { utf8 } from "../base/bytes.js";
import { type Exchange, routeIn } from "./exchange.js";
import type { Handler, Response } from "./http.js";

/** What a registry did, as Prometheus reads it (text exposition format 0.0.4). */
export interface Metrics {
  observe(exchange: Exchange): void;
  /** Answers at /metrics, and counts what passes on. */
  wrap(handler: Handler): Handler;
}

/** Upper bounds in seconds: from a HEAD in memory to an upload of hours. */
const bounds = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 600] as const;

export function createMetrics(): Metrics {
  const requests = new Map<string, number>();
  const durations = { counts: bounds.map(() => 0), sum: 0, count: 0 };
  const bytes = { received: 0, sent: 0 };
  let underWay = 0;

  function text(): string {
    const families = [
      family("stowage_requests_total", "counter", "Requests answered.", [...requests]),
      family("stowage_requests_under_way", "gauge", "Requests not answered yet.", [["", underWay]]),
      family("stowage_received_bytes_total", "counter", "Bytes of request bodies.", [["", bytes.received]]),
      family("stowage_sent_bytes_total", "counter", "Bytes of response bodies.", [["", bytes.sent]]),
      family("stowage_request_seconds", "histogram", "Time from a request's head to its answer's end.", [
        ...bounds.map((bound, i): [string, number] => [`_bucket{le="${bound}"}`, durations.counts[i] ?? 0]),
        ['_bucket{le="+Inf"}', durations.count],
        ["_sum", durations.sum],
        ["_count", durations.count],
      ]),
    ];
    return families.join("");
  }

  return {
    observe(exchange) {
      const { request, status, received, sent, milliseconds } = exchange;
      const route = routeIn(exchange)?.type ?? "other";
      // Methods that nobody has heard of are one, so that a stranger cannot fill the memory with them.
      const method = /^(?:GET|HEAD|PUT|POST|PATCH|DELETE)$/.test(request.method) ? request.method : "other";
      const labels = `{method="${method}",route="${route}",status="${status}"}`;
      requests.set(labels, (requests.get(labels) ?? 0) + 1);
      const seconds = milliseconds / 1000;
      for (const [i, bound] of bounds.entries())
        if (seconds <= bound) durations.counts[i] = (durations.counts[i] ?? 0) + 1;
      durations.sum += seconds;
      durations.count += 1;
      bytes.received += received;
      bytes.sent += sent;
    },
    wrap: (handler) => async (request) => {
      if (request.path === "/metrics") return textResponse(text());
      underWay += 1;
      try {
        return await handler(request);
      } finally {
        underWay -= 1;
      }
    },
  };
}

const family = (
  name: string,
  type: string,
  help: string,
  samples: readonly (readonly [suffix: string, value: number])[],
): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(([suffix, value]) => `${name}${suffix} ${value}\n`).join("")}`;

function textResponse(text: string): Response {
  const body = utf8(text);
  return {
    status: 200,
    headers: {
      "Content-Type": "text/plain; version=0.0.4; charset=utf-8",
      "Content-Length": String(body.byteLength),
    },
    body,
  };
}
