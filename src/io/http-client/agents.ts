import { createSecureContext, rootCertificates } from "node:tls";
import { Agent, type Dispatcher, ProxyAgent } from "undici";
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
  // One context for all connections: reading the authorities anew for each would cost more than its handshake.
  const secureContext =
    tls === undefined
      ? undefined
      : createSecureContext({
          ...(tls.ca === undefined ? {} : { ca: [...rootCertificates, tls.ca] }),
          ...(tls.cert === undefined ? {} : { cert: tls.cert }),
          ...(tls.key === undefined ? {} : { key: tls.key }),
        });
  const secured = {
    rejectUnauthorized: insecure !== true,
    ...(secureContext === undefined ? {} : { secureContext }),
  };
  const options = {
    connectTimeout: Math.min(idleTimeout, 30_000),
    headersTimeout: idleTimeout,
    bodyTimeout: idleTimeout,
  };
  const direct = new Agent({ ...options, connect: { ...secured, timeout: options.connectTimeout } });
  const proxies = new Map<string, ProxyAgent>();
  return {
    agentFor(url) {
      const proxy = proxyFor(url, environment);
      if (proxy === undefined) return direct;
      const known = proxies.get(proxy.href);
      if (known !== undefined) return known;
      // What is not TLS is not tunnelled: many proxies allow CONNECT to port 443 only.
      const agent = new ProxyAgent({ ...options, uri: proxy.href, requestTls: secured, proxyTunnel: false });
      proxies.set(proxy.href, agent);
      return agent;
    },
    async close() {
      await Promise.all([direct, ...proxies.values()].map((agent) => agent.destroy()));
    },
  };
}
