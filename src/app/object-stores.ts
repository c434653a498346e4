import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Failure } from "../base/failure.js";
import { redactUrl } from "../base/redact.js";
import type { ObjectStore } from "../buildcache/object-store.js";
import { connectionOf, type Direction, loginOf, type Mirror } from "../config/mirror.js";
import type { GivenCredential } from "../io/credentials/credentials.js";
import type { HttpClient } from "../io/http-client/http-client.js";
import { systemClock } from "../io/system/clock.js";
import { openFileStore } from "../io/url-mirror/file-store.js";
import { openHttpStore } from "../io/url-mirror/http-store.js";
import { findS3Settings } from "../io/url-mirror/s3-credentials.js";
import { openBucket } from "../io/url-mirror/s3-requests.js";
import { openS3Store } from "../io/url-mirror/s3-store.js";
import type { Context } from "./context.js";

export interface ObjectStoreOptions {
  readonly direction: Direction;
  readonly context: Context;
  readonly client: HttpClient;
  /** Logins that the client knows: a mirror's own is added. */
  readonly logins: GivenCredential[];
}

/**
 * The tree of objects that a mirror's URL names.
 * @throws Failure `mirror.kind-unsupported`, `mirror.missing`, `mirror.url-invalid`
 */
export async function openObjectStore(mirror: Mirror, options: ObjectStoreOptions): Promise<ObjectStore> {
  const { direction, client } = options;
  const { url } = connectionOf(mirror, direction);
  const scheme = /^[^:]*/.exec(url)?.[0].toLowerCase();
  switch (scheme) {
    case "file": {
      const root = pathOf(url);
      if (direction === "fetch" && !existsSync(root))
        throw new Failure("not-found", `there is no mirror at ${root}`, {
          code: "mirror.missing",
          subject: root,
          hint: "Check the path; `stowage buildcache push` makes a mirror where there is none.",
        });
      return openFileStore(root);
    }
    case "http":
    case "https": {
      const base = parsed(url);
      const login = loginOf(mirror, direction, options.context.env);
      if (login !== undefined)
        options.logins.push({
          domain: base.host,
          credential: {
            type: "password",
            username: login.user,
            password: login.password,
            source: `mirror ${mirror.name}`,
          },
        });
      return openHttpStore(base, client);
    }
    case "s3":
      return await openS3(mirror, options);
    default:
      throw new Failure(
        "unsupported",
        `${redactUrl(url)} cannot be a build cache: ${scheme} is not supported`,
        {
          code: "mirror.kind-unsupported",
          subject: redactUrl(url),
          hint: "Build caches are at oci://, oci+http://, oci-layout:DIR, file://, http://, https:// and s3://.",
        },
      );
  }
}

async function openS3(
  mirror: Mirror,
  { direction, context, client }: ObjectStoreOptions,
): Promise<ObjectStore> {
  const { env, home } = context;
  const { url, profile, endpointUrl, tokenVariable } = connectionOf(mirror, direction);
  const { host: name, pathname } = parsed(url);
  const prefix = decodeURIComponent(pathname).replaceAll(/^\/+|\/+$/g, "");
  const login = loginOf(mirror, direction, env);
  const settings = await findS3Settings({
    env,
    home,
    profile,
    endpoint: endpointUrl,
    given: login && {
      accessKeyId: login.user,
      secretAccessKey: login.password,
      sessionToken: tokenVariable === undefined ? undefined : env[tokenVariable] || undefined,
    },
  });
  const bucket = openBucket(name, { ...settings, client, clock: systemClock });
  return openS3Store(bucket, { label: `s3://${name}${prefix === "" ? "" : `/${prefix}`}`, prefix });
}

function parsed(url: string): URL {
  if (URL.canParse(url) && new URL(url).host !== "") return new URL(url);
  throw new Failure("usage", `${redactUrl(url)} is no URL of a mirror`, {
    code: "mirror.url-invalid",
    subject: url,
    hint: "Write https://host/path, or s3://bucket/path.",
  });
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url).replace(/(?<=.)\/+$/, "");
  } catch (cause) {
    throw new Failure("usage", `${url} names no file on this machine`, {
      code: "mirror.url-invalid",
      subject: url,
      hint: "Write file:///path, or the path itself.",
      cause,
    });
  }
}
