import { type Bytes, concat } from "../../base/bytes.js";
import { type Call, checkInterrupted } from "../../base/call.js";
import type { ListedObject, ObjectContent, ObjectStore } from "../../buildcache/object-store.js";
import { type Answer, answerFailure } from "../http-client/answer.js";
import { readObject } from "./read-object.js";
import { blocksOf, elementIn, elementOf, errorCodeOf, s3Refusal } from "./s3-answer.js";
import type { S3Bucket } from "./s3-requests.js";

/** Bytes that are held to be sent by one request: with them it can be signed, and sent again. S3 wants 5 MiB at least. */
const partSize = 8 * 1024 * 1024;

/** Parts that one object may have (Amazon S3 User Guide, "multipart upload limits"). */
const maxParts = 10_000;

/** A part of a bucket as a tree of objects. */
export function openS3Store(
  bucket: S3Bucket,
  { label, prefix }: { readonly label: string; readonly prefix: string },
): ObjectStore {
  const root = prefix === "" ? "" : `${prefix}/`;
  const isAbsent = (answer: Answer): boolean => answer.status === 404 && errorCodeOf(answer) === "NoSuchKey";

  async function demand(request: Parameters<S3Bucket["send"]>[0], call: Call | undefined): Promise<Answer> {
    const answer = await bucket.send(request, call);
    if (answer.status >= 200 && answer.status < 300 && errorCodeOf(answer) === undefined) return answer;
    throw s3Refusal(answer);
  }

  /** A HEAD could not say whether it is the object or the bucket that is missing. */
  async function stat(path: string, call?: Call): Promise<number | undefined> {
    const answer = await bucket.send(
      { method: "GET", key: root + path, headers: { range: "bytes=0-0" } },
      call,
    );
    if (isAbsent(answer)) return undefined;
    const total = /\/(\d+)$/.exec(answer.header("content-range") ?? "")?.[1];
    if (answer.status === 206 && total !== undefined) return Number(total);
    // Of nothing there is no first byte.
    if (answer.status === 416 || (answer.status === 200 && answer.bytes.byteLength === 0)) return 0;
    throw s3Refusal(answer);
  }

  async function putWhole(
    key: string,
    body: Uint8Array,
    { replace, ...call }: Call & { readonly replace: boolean },
  ): Promise<"written" | "exists"> {
    const condition: Record<string, string> = replace ? {} : { "if-none-match": "*" };
    const answer = await bucket.send({ method: "PUT", key, body, headers: condition }, call);
    // 409: another such request is under way there.
    if (!replace && (answer.status === 412 || answer.status === 409)) return "exists";
    if (!replace && answer.status === 501) return putWhole(key, body, { ...call, replace: true });
    if (answer.status !== 200) throw s3Refusal(answer);
    return "written";
  }

  async function putInParts(
    key: string,
    parts: AsyncIterable<Uint8Array>,
    path: string,
    call: Call,
  ): Promise<void> {
    const started = await demand({ method: "POST", key, query: { uploads: "" } }, call);
    const uploadId = elementOf(started, "UploadId");
    if (uploadId === undefined) throw s3Refusal(started);
    const tags: string[] = [];
    try {
      let size = 0;
      for await (const body of parts) {
        checkInterrupted(call);
        const query = { partNumber: String(tags.length + 1), uploadId };
        const tag = (await demand({ method: "PUT", key, query, body }, call)).header("etag");
        if (tag === undefined) throw new Error(`a part of ${path} was stored without an ETag`);
        tags.push(tag);
        size += body.byteLength;
      }
      await complete(key, { uploadId, tags, size, path }, call);
    } catch (error) {
      // The parts are paid for until somebody removes them. How that ends changes nothing of what went wrong.
      await bucket.send({ method: "DELETE", key, query: { uploadId } }).catch(() => undefined);
      throw error;
    }
  }

  async function complete(
    key: string,
    { uploadId, tags, size, path }: { uploadId: string; tags: readonly string[]; size: number; path: string },
    call: Call,
  ): Promise<void> {
    const parts = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
    const document = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
    const body = Buffer.from(document.replaceAll('"', "&quot;"));
    const answer = await bucket.send({ method: "POST", key, query: { uploadId }, body }, call);
    if (answer.status === 200 && errorCodeOf(answer) === undefined) return;
    // Done by an earlier try, whose answer was lost.
    if (errorCodeOf(answer) === "NoSuchUpload" && (await stat(path, call)) === size) return;
    throw s3Refusal(answer);
  }

  async function* objects(folder: string, call?: Call): AsyncGenerator<ListedObject> {
    let token: string | undefined;
    do {
      const query = {
        "list-type": "2",
        "encoding-type": "url",
        prefix: root + folder,
        ...(token === undefined ? {} : { "continuation-token": token }),
      };
      const answer = await demand({ method: "GET", key: "", query }, call);
      // Asked for, as keys may hold what XML cannot; not every server does so.
      const encoded = elementOf(answer, "EncodingType") === "url";
      for (const object of blocksOf(answer, "Contents")) {
        const key = elementIn(object, "Key") ?? "";
        const name = encoded ? decodeURIComponent(key.replaceAll("+", " ")) : key;
        if (!name.startsWith(root)) continue;
        const size = Number(elementIn(object, "Size"));
        const time = Date.parse(elementIn(object, "LastModified") ?? "");
        yield { path: name.slice(root.length), size, writtenAt: Number.isNaN(time) ? undefined : time };
      }
      token = elementOf(answer, "NextContinuationToken");
      if (elementOf(answer, "IsTruncated") === "true" && token === undefined)
        throw answerFailure("unsupported", answer, {
          code: "s3.listing-broken",
          why: "without what follows",
        });
      if (elementOf(answer, "IsTruncated") !== "true") token = undefined;
    } while (token !== undefined);
  }

  return {
    label,
    stat,
    read(path, call) {
      const key = root + path;
      return readObject(
        {
          url: bucket.urlOf(key),
          client: bucket.client,
          isAbsent,
          refusal: s3Refusal,
          get: (headers, continued) =>
            bucket.attempt({ method: "GET", key, headers, streamed: true, continued }, call),
        },
        call,
      );
    },
    async write(path, content, { replace = true, ...call } = {}) {
      const key = root + path;
      if (content.size <= partSize) {
        const [body = new Uint8Array()] = await wholeOf(content, call);
        return putWhole(key, body, { ...call, replace });
      }
      if (!replace && (await stat(path, call)) !== undefined) return "exists";
      await putInParts(key, partsOf(content, call), path, call);
      return "written";
    },
    async *list(folder, call) {
      for await (const { path } of objects(folder, call)) yield path;
    },
    objects,
    async delete(path, call) {
      await demand({ method: "DELETE", key: root + path }, call);
    },
  };
}

async function wholeOf(content: ObjectContent, call: Call): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of partsOf(content, call)) parts.push(part);
  return parts;
}

/** Content in pieces of one size, the last one smaller. */
async function* partsOf(content: ObjectContent, call: Call): Bytes {
  const size = Math.max(partSize, Math.ceil(content.size / maxParts));
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of content.open(call)) {
    for (let at = 0; at < chunk.byteLength; ) {
      const piece = chunk.subarray(at, at + size - length);
      // Chunks may be used again by who made them.
      held.push(Uint8Array.from(piece));
      length += piece.byteLength;
      at += piece.byteLength;
      if (length < size) continue;
      yield concat(held);
      held = [];
      length = 0;
    }
  }
  if (length > 0) yield concat(held);
}
