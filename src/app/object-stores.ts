import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Failure } from "../base/failure.js";
import { redactUrl } from "../base/redact.js";
import type { ObjectStore } from "../buildcache/object-store.js";
import type { Connection } from "../config/mirror.js";
import { openFileStore } from "../io/url-mirror/file-store.js";

/**
 * The tree of objects that a mirror's URL names.
 * @throws Failure `mirror.kind-unsupported`, `mirror.missing`
 */
export function openObjectStore({ url }: Connection, { create }: { readonly create: boolean }): ObjectStore {
  const scheme = /^[^:]*/.exec(url)?.[0].toLowerCase();
  switch (scheme) {
    case "file": {
      const root = pathOf(url);
      if (!create && !existsSync(root))
        throw new Failure("not-found", `there is no mirror at ${root}`, {
          code: "mirror.missing",
          subject: root,
          hint: "Check the path; `stowage buildcache push` makes a mirror where there is none.",
        });
      return openFileStore(root);
    }
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
