import type { Call } from "../../base/call.js";
import type { Content } from "../../oci/descriptor.js";
import { algorithmOf, type Digest } from "../../oci/digest.js";
import type { RepositoryName } from "../../oci/reference.js";
import {
  type Answer,
  answerFailure,
  describeAnswer,
  errorsOf,
  exchangeOf,
  unexpected,
} from "../http-client/answer.js";
import { TransientFailure } from "../http-client/tries.js";
import { createCursor } from "./cursor.js";
import { type Endpoint, isCommitted, locationOf } from "./endpoint.js";

export interface UploadOptions extends Call {
  /** A repository of the same registry that has the blob. */
  readonly from?: RepositoryName | undefined;
  /** Whether the blob is there after all: asked where the answer to a commit was lost. */
  readonly isStored: () => Promise<boolean>;
}

/** A blob on its way up (distribution-spec 1.1, "Pushing blobs"). */
interface Session {
  readonly url: URL;
  /** Bytes that the registry has. */
  readonly offset: number;
}

/** Pieces for a registry that refuses larger bodies: below the 100 MB that proxies commonly allow. */
const largestPiece = 64 * 1024 * 1024;
const smallestPiece = 1024 * 1024;

/**
 * Uploads a blob: whole in one request; after a failure from where the registry says it is, in pieces; anew
 * where the registry does not know.
 */
export async function upload(
  endpoint: Endpoint,
  content: Content,
  { from, isStored, ...call }: UploadOptions,
): Promise<"written" | "mounted"> {
  const { digest, size } = content.descriptor;
  const { client } = endpoint;
  const source = createCursor(() => content.open(call));
  const tries = client.tries(new URL(endpoint.origin), call);
  let session: Session | undefined;
  let piece = Number.POSITIVE_INFINITY;
  let mount = from;

  /** Sends bytes from the session's offset on; with the last of them, or after them, the digest that commits. */
  async function sendNext(current: Session): Promise<"written" | Session> {
    const { offset } = current;
    const end = Math.min(size, offset + piece);
    const commits = offset === size || (offset === 0 && end === size);
    const answer = await client.attempt(
      {
        method: commits ? "PUT" : "PATCH",
        url: commits ? withDigest(current.url, digest) : current.url,
        access: endpoint.access(["pull", "push"]),
        body:
          offset === end ? new Uint8Array() : { size: end - offset, open: () => source.take(offset, end) },
        headers: {
          "content-type": "application/octet-stream",
          ...(commits ? {} : { "content-range": `${offset}-${end - 1}` }),
        },
      },
      call,
    );
    if (commits && isCommitted(answer, digest)) return "written";
    if (!commits && (answer.status === 202 || answer.status === 204))
      return { url: locationOf(answer), offset: end };
    if (answer.status === 413 && end - offset > smallestPiece) {
      piece = Math.min(largestPiece, Math.ceil((end - offset) / 2));
      throw lost(answer);
    }
    // Unknown, or not where we thought it was; or what came together from several tries does not fit together.
    if (answer.status === 404 || answer.status === 416) throw lost(answer);
    if (offset > 0 && isDigestRefused(answer)) {
      session = undefined;
      throw lost(answer);
    }
    throw refusal(answer);
  }

  try {
    for (;;) {
      try {
        session ??= await startSession(endpoint, digest, { ...call, mount });
        if (session === undefined) return "mounted";
        mount = undefined;
        const next = await sendNext(session);
        if (next === "written") return next;
        session = next;
        tries.progressed();
      } catch (error) {
        await tries.again(error);
        if (session !== undefined) session = await findSession(endpoint, session, { ...call, size });
        if (session === undefined && (await isStored())) return "written";
      }
    }
  } finally {
    source.close();
  }
}

/** Starts an upload; undefined where the blob could be mounted instead. */
async function startSession(
  endpoint: Endpoint,
  digest: Digest,
  { mount, ...call }: Call & { readonly mount: RepositoryName | undefined },
): Promise<Session | undefined> {
  const answer = await endpoint.client.send(
    {
      method: "POST",
      url: endpoint.url("blobs/uploads/", {
        ...(mount === undefined ? {} : { mount: digest, from: mount }),
        ...(algorithmOf(digest) === "sha256" ? {} : { "digest-algorithm": algorithmOf(digest) }),
      }),
      access: endpoint.access(["pull", "push"], mount),
      body: new Uint8Array(),
    },
    call,
  );
  if (mount !== undefined && answer.status === 201 && isCommitted(answer, digest)) return undefined;
  if (answer.status === 202) return { url: locationOf(answer), offset: 0 };
  if (answer.status === 404 && errorsOf(answer)?.some(({ code }) => code === "NAME_UNKNOWN"))
    throw answerFailure("not-found", answer, {
      code: "oci.repository-missing",
      hint: `Create the repository ${endpoint.label} first: this registry does not do so by itself.`,
    });
  throw refusal(answer);
}

/** Asks how far an upload came; undefined where it has to start anew. */
async function findSession(
  endpoint: Endpoint,
  { url }: Session,
  { size, ...call }: Call & { readonly size: number },
): Promise<Session | undefined> {
  const answer = await endpoint.client.send(
    { method: "GET", url, access: endpoint.access(["pull", "push"]) },
    call,
  );
  const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(answer.header("range") ?? "")?.[1] ?? 0);
  // Registries write 0-0 for nothing as well as for one byte: both are sent again.
  if ((answer.status !== 204 && answer.status !== 202) || last === 0 || last >= size) return undefined;
  return { url: answer.header("location") === undefined ? url : locationOf(answer), offset: last + 1 };
}

/** A Location's own query is sent back as it came: registries sign it. */
function withDigest(url: URL, digest: Digest): URL {
  return new URL(`${url.href}${url.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`);
}

const isDigestRefused = (answer: Answer): boolean =>
  answer.status === 400 &&
  (errorsOf(answer) ?? []).some(({ code }) => /^(DIGEST|SIZE|BLOB_UPLOAD)_INVALID$/.test(code));

const lost = (answer: Answer): TransientFailure =>
  new TransientFailure(
    "unavailable",
    `${describeAnswer(answer)}, so the upload goes on from somewhere else`,
    {
      code: "registry.upload-lost",
      exchange: exchangeOf(answer),
      most: 4,
    },
  );

function refusal(answer: Answer): Error {
  if (isDigestRefused(answer))
    return answerFailure("corrupt", answer, {
      code: "oci.blob-refused",
      hint: "The content changed since it was measured, or on the way: try again.",
    });
  if (answer.status === 413)
    return answerFailure("unsupported", answer, {
      code: "oci.blob-too-large",
      hint: "The registry, or a proxy before it, limits how large a request may be.",
    });
  if (answer.status === 405 || errorsOf(answer)?.some(({ code }) => code === "UNSUPPORTED"))
    return answerFailure("denied", answer, {
      code: "oci.push-unsupported",
      hint: "The registry takes no uploads: it is read-only, or a mirror.",
    });
  return unexpected(answer);
}
