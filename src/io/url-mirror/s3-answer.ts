import { textOf } from "../../base/bytes.js";
import { type Answer, answerFailure, exchangeOf, unexpected } from "../http-client/answer.js";
import { TransientFailure } from "../http-client/tries.js";

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

const unescaped = (text: string): string =>
  text.replaceAll(/&(?:(amp|lt|gt|quot|apos)|#(\d+)|#x([0-9a-f]+));/gi, (_, name, decimal, hex) =>
    name === undefined
      ? String.fromCodePoint(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal))
      : (entities[name.toLowerCase()] ?? ""),
  );

/** The text of the first element of a name. S3's answers are flat enough to be read so. */
export function elementIn(text: string, name: string): string | undefined {
  const inside = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  return inside === undefined ? undefined : unescaped(inside);
}

export const elementOf = (answer: Answer, name: string): string | undefined =>
  elementIn(textOf(answer.bytes) ?? "", name);

/** What is inside of each element of a name, that has elements itself. */
export const blocksOf = (answer: Answer, name: string): readonly string[] =>
  [...(textOf(answer.bytes) ?? "").matchAll(new RegExp(`<${name}>(.*?)</${name}>`, "gs"))].map(
    ([, inside = ""]) => inside,
  );

/** The code of an error that S3 tells: `NoSuchKey`. */
export const errorCodeOf = (answer: Answer): string | undefined =>
  textOf(answer.bytes)?.includes("<Error>") ? elementOf(answer, "Code") : undefined;

/** What S3 refused, in its own words. */
export function s3Refusal(answer: Answer): Error {
  const code = errorCodeOf(answer);
  const why =
    code === undefined ? undefined : [code, elementOf(answer, "Message")].filter(Boolean).join(", ");
  switch (code) {
    case "NoSuchBucket":
      return answerFailure("not-found", answer, {
        code: "s3.bucket-missing",
        why,
        hint: "Check the name of the bucket, and the endpoint: buckets are not made here.",
      });
    case "RequestTimeTooSkewed":
      return answerFailure("denied", answer, {
        code: "s3.clock-wrong",
        why,
        hint: "Set this machine's clock: requests are signed with the time.",
      });
    case "RequestTimeout":
    case "SlowDown":
    case "InternalError":
      return new TransientFailure("unavailable", `${answer.method} ${why}`, {
        code: "s3.unavailable",
        exchange: exchangeOf(answer),
      });
  }
  if (answer.status === 401 || answer.status === 403)
    return answerFailure("denied", answer, {
      code: "s3.denied",
      why,
      hint: "Check the credentials: `access_pair` or `profile` of the mirror, AWS_* variables, ~/.aws/credentials.",
    });
  return unexpected(answer, why);
}
