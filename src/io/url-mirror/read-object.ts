import type { Bytes } from "../../base/bytes.js";
import { type Call, checkInterrupted } from "../../base/call.js";
import { type Answer, answerFailure, unexpected } from "../http-client/answer.js";
import type { HttpClient } from "../http-client/http-client.js";
import { cutShort, networkFailure } from "../http-client/transient.js";

export interface ObjectRequest {
  readonly url: URL;
  readonly client: HttpClient;
  /** One try of a GET of the object with more headers, its body left as a stream. */
  get(headers: Readonly<Record<string, string>>, continued: boolean): Promise<Answer>;
  /** Whether an answer says that there is no such object. */
  isAbsent(answer: Answer): boolean;
  /** The failure for any other answer. */
  refusal(answer: Answer): Error;
}

/** An object's bytes; undefined where there is none. A transfer that breaks goes on where it was, of the same object. */
export async function readObject(request: ObjectRequest, call: Call | undefined): Promise<Bytes | undefined> {
  const { url, client } = request;
  const tries = client.tries(url, call);
  const attempt = async (headers: Readonly<Record<string, string>>, continued: boolean): Promise<Answer> => {
    try {
      return await request.get(headers, continued);
    } catch (error) {
      checkInterrupted(call);
      throw networkFailure(error, { method: "GET", url });
    }
  };
  const first = await firstAnswer();
  if (request.isAbsent(first)) return undefined;
  if (first.status !== 200) throw request.refusal(first);
  return rest(first);

  async function firstAnswer(): Promise<Answer> {
    for (;;) {
      try {
        return await attempt({}, false);
      } catch (error) {
        await tries.again(error);
      }
    }
  }

  async function* rest(start: Answer): Bytes {
    const length = start.header("content-length");
    const size = length === undefined ? undefined : Number(length);
    const validator = start.header("etag") ?? start.header("last-modified");
    let answer: Answer | undefined = start;
    let offset = 0;
    for (;;) {
      try {
        answer ??= await attempt({ range: `bytes=${offset}-`, "if-range": validator ?? "" }, true);
        let skipped = answer === start ? 0 : skippedBy(answer, { offset, validator });
        for await (const chunk of answer.body ?? []) {
          const fresh = chunk.subarray(skipped);
          skipped -= chunk.byteLength - fresh.byteLength;
          if (fresh.byteLength === 0) continue;
          offset += fresh.byteLength;
          tries.progressed();
          yield fresh;
        }
        if (size === undefined || offset >= size) return;
        throw cutShort(answer);
      } catch (error) {
        checkInterrupted(call);
        const failure = networkFailure(error, { method: "GET", url });
        // What goes on elsewhere might go on in something else.
        if (validator === undefined || validator.startsWith("W/")) throw failure;
        await tries.again(failure);
        answer = undefined;
      }
    }
  }

  /** Bytes to be skipped of an answer to go on at an offset. */
  function skippedBy(
    answer: Answer,
    { offset, validator }: { offset: number; validator: string | undefined },
  ) {
    const refuse = (error: Error): never => {
      answer.body?.destroy();
      throw error;
    };
    const found = answer.header("etag") ?? answer.header("last-modified");
    if (answer.status === 206) {
      if (answer.header("content-range")?.startsWith(`bytes ${offset}-`)) return 0;
      return refuse(unexpected(answer, `with another range than asked for, from ${offset}`));
    }
    if (answer.status !== 200) return refuse(request.refusal(answer));
    if (found === validator) return offset;
    return refuse(
      answerFailure("unavailable", answer, {
        code: "mirror.changed",
        why: "with something else than a moment ago",
        hint: "Somebody writes to the mirror: run it again.",
      }),
    );
  }
}
