import { Failure } from "../base/failure.js";

/** `SOURCE_DATE_EPOCH`: seconds since 1970 (https://reproducible-builds.org/specs/source-date-epoch/). */
export function timeOf(seconds: string | undefined): string | undefined {
  if (seconds === undefined || seconds === "") return undefined;
  if (/^\d{1,11}$/.test(seconds)) return new Date(Number(seconds) * 1000).toISOString();
  throw new Failure("usage", `SOURCE_DATE_EPOCH is "${seconds}", not a number of seconds`, {
    code: "push.source-date-epoch",
    subject: "SOURCE_DATE_EPOCH",
  });
}
