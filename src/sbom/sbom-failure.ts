import { Failure } from "../base/failure.js";

export const sbomInvalid = (subject: string, found: string, cause?: unknown): Failure =>
  new Failure("corrupt", `${subject} ${found}`, { code: "sbom.invalid", subject, cause });
