import type { Bytes } from "../../base/bytes.js";
import { type Call, checkInterrupted } from "../../base/call.js";
import type { Descriptor } from "../../oci/descriptor.js";
import { blobMissing } from "../../oci/memory.js";
import { verified } from "../../oci/verified.js";
import { type Answer, describeAnswer, exchangeOf, unexpected } from "../http-client/answer.js";
import { cutShort, networkFailure } from "../http-client/transient.js";
import { TransientFailure } from "../http-client/tries.js";
import { type Endpoint, saysAbsent } from "./endpoint.js";

/** A blob's bytes, verified. A transfer that breaks goes on where it was, by range. */
export function download(endpoint: Endpoint, descriptor: Descriptor, call?: Call): Bytes {
  return verified(resumed(endpoint, descriptor, call), descriptor, `${endpoint.label}@${descriptor.digest}`);
}

/** Bytes that a try must bring for the next to be a first one: a line that breaks after a few is no line. */
const leastProgress = 64 * 1024;

async function* resumed(endpoint: Endpoint, descriptor: Descriptor, call: Call | undefined): Bytes {
  const { client } = endpoint;
  const { digest, size } = descriptor;
  const url = endpoint.url(`blobs/${digest}`);
  const tries = client.tries(url, call);
  let offset = 0;
  for (;;) {
    const from = offset;
    try {
      const answer = await client.attempt(
        {
          method: "GET",
          url,
          headers: offset === 0 ? {} : { range: `bytes=${offset}-` },
          access: endpoint.access(["pull"]),
          streamed: true,
          continued: offset > 0,
        },
        call,
      );
      let skipped = startOf(answer, endpoint, { descriptor, offset });
      for await (const chunk of answer.body ?? []) {
        const fresh = chunk.subarray(skipped);
        skipped -= chunk.byteLength - fresh.byteLength;
        if (fresh.byteLength === 0) continue;
        offset += fresh.byteLength;
        if (offset - from >= leastProgress) tries.progressed();
        yield fresh;
      }
      if (offset >= size) return;
      throw cutShort(answer);
    } catch (error) {
      checkInterrupted(call);
      await tries.again(networkFailure(error, { method: "GET", url }));
    }
  }
}

/** How many bytes of a body are to be skipped until those that are wanted next. */
function startOf(
  answer: Answer,
  endpoint: Endpoint,
  { descriptor, offset }: { descriptor: Descriptor; offset: number },
): number {
  const refuse = (error: Error): never => {
    answer.body?.destroy();
    throw error;
  };
  const { digest, size } = descriptor;
  if (saysAbsent(answer, endpoint, ["BLOB_UNKNOWN", "NAME_UNKNOWN"]))
    return refuse(blobMissing(endpoint.label, digest));
  if (answer.header("content-encoding") !== undefined && answer.header("content-encoding") !== "identity")
    return refuse(unexpected(answer, "in a Content-Encoding that was not asked for"));
  if (answer.status === 200) {
    const length = answer.header("content-length");
    if (length !== undefined && Number(length) !== size) return refuse(otherLength(answer, size));
    return offset;
  }
  if (answer.status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.header("content-range") ?? "");
    if (range === null || Number(range[1]) !== offset || (range[2] !== "*" && Number(range[2]) !== size))
      return refuse(unexpected(answer, `with another range than asked for, from ${offset} of ${size}`));
    return 0;
  }
  return refuse(unexpected(answer));
}

/** A proxy may have cut it short once; where it is so again, the registry has something else. */
const otherLength = (answer: Answer, size: number): TransientFailure =>
  new TransientFailure(
    "corrupt",
    `${describeAnswer(answer)} with ${answer.header("content-length")} bytes, promised were ${size}`,
    { code: "oci.blob-corrupt", exchange: exchangeOf(answer), most: 3 },
  );
