import type { Call } from "../../base/call.js";
import { Failure } from "../../base/failure.js";
import { parseClearsigned } from "../../trust/clearsigned.js";
import type { DocumentSigner } from "../../trust/openpgp.js";
import { type Gpg, gpgOutput } from "./gpg.js";
import { listKeys } from "./keyring.js";

/**
 * Signs with a secret key of a GnuPG home: the one named, or the only one that there is (as Spack).
 * @throws Failure `gpg.no-secret-key`, `gpg.key-ambiguous`, `gpg.key-missing`
 */
export async function openSigner(
  gpg: Gpg,
  { key: named, ...call }: Call & { readonly key?: string | undefined } = {},
): Promise<DocumentSigner> {
  const keys = await listKeys(gpg, { keys: named === undefined ? [] : [named], secret: true }, call);
  const [key, other] = keys;
  if (key === undefined)
    throw new Failure("not-found", `the keyring ${gpg.home} has no secret key to sign with`, {
      code: "gpg.no-secret-key",
      subject: gpg.home,
      hint: '`stowage gpg create "NAME" EMAIL` makes one, `stowage gpg trust FILE` takes one in; --unsigned pushes without.',
    });
  if (other !== undefined)
    throw new Failure(
      "usage",
      `there is more than one secret key to sign with: ${keys.map((one) => `${one.fingerprint} (${one.userIds[0] ?? "?"})`).join(", ")}`,
      { code: "gpg.key-ambiguous", subject: named ?? gpg.home, hint: "Choose one with --key FINGERPRINT." },
    );
  const { fingerprint } = key;
  return {
    fingerprint,
    async sign(text, { subject, ...signCall }) {
      const { output } = await gpgOutput(
        gpg,
        // The default of old versions is SHA-1, which is refused where it is read.
        ["--digest-algo", "SHA512", "--local-user", fingerprint, "--armor", "--clearsign"],
        { ...signCall, input: text },
      );
      if (Buffer.compare(parseClearsigned(output, subject).text, text) === 0) return output;
      throw new Failure("unsupported", `${subject} cannot be signed: some of it would not be`, {
        code: "gpg.text-unsignable",
        subject,
        hint: "Signatures leave out blanks at ends of lines, and the last line end.",
      });
    },
  };
}
