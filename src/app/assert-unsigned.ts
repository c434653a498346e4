import { Failure } from "../base/failure.js";
import type { Mirror } from "../config/mirror.js";

/**
 * Refuses to write without signatures what its readers would refuse.
 * @throws Failure `push.unsigned`
 */
export function assertUnsigned(
  { name, signed }: Mirror,
  { unsigned = false }: { readonly unsigned?: boolean | undefined },
): void {
  if (!signed || unsigned) return;
  throw new Failure("denied", `packages of mirror ${name} must be signed, and there is no key to sign them`, {
    code: "push.unsigned",
    subject: name,
    hint: "Give --unsigned, or say that the mirror is unsigned: `stowage mirror set --unsigned NAME`.",
  });
}
