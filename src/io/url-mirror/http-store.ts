import { Failure } from "../../base/failure.js";
import { redactUrl } from "../../base/redact.js";
import type { ObjectStore } from "../../buildcache/object-store.js";
import { type Answer, isWebPage, unexpected } from "../http-client/answer.js";
import type { HttpClient } from "../http-client/http-client.js";
import { readObject } from "./read-object.js";

/** A part of a web site as a tree of objects: to be read, and without a listing. */
export function openHttpStore(base: URL, client: HttpClient): ObjectStore {
  const label = redactUrl(base.href).replace(/\/+$/, "");
  const access = { origin: base.origin, domain: base.host, scopes: [] };
  const urlOf = (path: string): URL => {
    const url = new URL(base);
    url.pathname = `${base.pathname.replace(/\/+$/, "")}/${path.split("/").map(encodeURIComponent).join("/")}`;
    return url;
  };
  const isAbsent = ({ status }: Answer): boolean => status === 404 || status === 410;
  const refuseWrite = async (): Promise<never> => {
    throw new Failure("unsupported", `${label} can only be read: web servers take no packages`, {
      code: "mirror.read-only",
      subject: label,
      hint: "Push to where its files are (file://, s3://): `stowage mirror set-url --push NAME URL`.",
    });
  };

  return {
    label,
    async stat(path, call) {
      const answer = await client.send({ method: "HEAD", url: urlOf(path), access }, call);
      if (isAbsent(answer)) return undefined;
      const length = answer.header("content-length");
      if (answer.status !== 200 || isWebPage(answer)) throw unexpected(answer);
      if (length === undefined) throw unexpected(answer, "without a size");
      return Number(length);
    },
    read(path, call) {
      const url = urlOf(path);
      return readObject(
        {
          url,
          client,
          isAbsent,
          refusal: unexpected,
          async get(headers, continued) {
            const request = { method: "GET", url, headers, access, streamed: true, continued } as const;
            const answer = await client.attempt(request, call);
            if (!isWebPage(answer) || answer.status !== 200) return answer;
            // A login page, or a portal, that answers whatever is asked for.
            answer.body?.destroy();
            throw unexpected(answer);
          },
        },
        call,
      );
    },
    write: refuseWrite,
    list: undefined,
    objects: undefined,
    delete: refuseWrite,
  };
}
