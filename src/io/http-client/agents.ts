import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { Agent, type Dispatcher, ProxyAgent } from "undici";
import "./paused-end.js";
import { type Environment, proxyFor } from "./proxy.js";

/** How TLS is spoken. PEM texts. */
export interface TlsOptions {
  /** Authorities trusted besides those of the system. */
  readonly ca?: string | undefined;
  /** A client certificate and its key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface AgentsOptions {
  readonly tls?: TlsOptions | undefined;
  /** Takes any certificate. */
  readonly insecure?: boolean | undefined;
  readonly environment: Environment;
  /** Milliseconds without any byte after which a connection counts as dead. */
  readonly idleTimeout: number;
}

/** Connections, kept open and shared: one pool for each origin, directly or through a proxy. */
export interface Agents {
  agentFor(url: URL): Dispatcher;
  close(): Promise<void>;
}

export function openAgents({ tls, insecure, environment, idleTimeout }: AgentsOptions): Agents {
  let context: SecureContext | undefined;
  // One context for all connections: reading the authorities anew for each would cost more than its handshake.
  const secured = (): { rejectUnauthorized: boolean; secureContext?: SecureContext } => {
    const rejectUnauthorized = insecure !== true;
    if (tls === undefined) return { rejectUnauthorized };
    context ??= createSecureContext({
      ...(tls.ca === undefined ? {} : { ca: [...rootCertificates, tls.ca] }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
    });
    return { rejectUnauthorized, secureContext: context };
  };
  const options = {
    connectTimeout: Math.min(idleTimeout, 30_000),
    headersTimeout: idleTimeout,
    bodyTimeout: idleTimeout,
  };
  const timeout = options.connectTimeout;
  const plain = new Agent({ ...options, connect: { timeout } });
  let secure: Agent | undefined;
  const proxies = new Map<string, ProxyAgent>();
  const chosen = new Map<string, Dispatcher>();
  return {
    agentFor(url) {
      const known = chosen.get(url.origin) ?? choose(url);
      chosen.set(url.origin, known);
      return known;
    },
    async close() {
      await Promise.all(
        [plain, ...proxies.values(), ...(secure === undefined ? [] : [secure])].map((agent) =>
          agent.destroy(),
        ),
      );
    },
  };

  function choose(url: URL): Dispatcher {
    const proxy = proxyFor(url, environment);
    if (proxy === undefined && url.protocol === "http:") return plain;
    if (proxy === undefined) {
      secure ??= new Agent({ ...options, connect: { ...secured(), timeout } });
      return secure;
    }
    const known = proxies.get(proxy.href);
    if (known !== undefined) return known;
    // What is not TLS is not tunnelled: many proxies allow CONNECT to port 443 only.
    const agent = new ProxyAgent({
      ...options,
      uri: proxy.href,
      requestTls: secured(),
      proxyTunnel: false,
    });
    proxies.set(proxy.href, agent);
    return agent;
  }
}
