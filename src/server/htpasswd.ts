import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import bcrypt from "bcryptjs";
import { Failure } from "../base/failure.js";
import { createLimiter } from "../base/limit.js";

/** Who may log in. */
export interface Users {
  isPassword(user: string, password: string): Promise<boolean>;
}

/**
 * Reads the lines of `htpasswd -B`: `user:$2y$…`.
 * @throws Failure `server.htpasswd-invalid`, naming the line and what stands there instead
 */
export function parseHtpasswd(text: string, subject: string): Users {
  const hashes = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, user, hash] = /^([^:]+):(.*)$/.exec(line) ?? [];
    if (user === undefined || hash === undefined) throw invalid(subject, index, "it is not `user:hash`");
    if (!/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash))
      throw invalid(subject, index, `the password of ${user} is kept as ${schemeOf(hash)}, not as bcrypt`);
    hashes.set(user, hash);
  }
  return usersOf(hashes);
}

function invalid(subject: string, index: number, found: string): Failure {
  return new Failure("usage", `${subject}, line ${index + 1}: ${found}`, {
    code: "server.htpasswd-invalid",
    subject,
    hint: `Write it with \`htpasswd -B ${subject} USER\`.`,
  });
}

/** What `htpasswd` writes, by how it starts; without a mark it is crypt(3) or the password itself. */
function schemeOf(hash: string): string {
  if (hash.startsWith("{SHA}")) return "SHA-1";
  if (hash.startsWith("$apr1$")) return "MD5 (apr1)";
  if (/^\$[56]\$/.test(hash)) return "SHA-2 crypt";
  if (hash.startsWith("$2")) return "bcrypt with a part missing";
  return "crypt or plain text";
}

/** Passwords are checked one at a time: guessing must not take the time of who pushes. */
const checksAtOnce = 1;

function usersOf(hashes: ReadonlyMap<string, string>): Users {
  const limit = createLimiter(checksAtOnce);
  const key = randomBytes(32);
  // Right answers: a push has hundreds of requests, and bcrypt is slow by design.
  const known = new Map<string, Buffer>();
  // As slow as for a user that there is, so that time does not tell who is.
  const nobody = bcrypt.hashSync("", 5);
  return {
    async isPassword(user, password) {
      const mark = createHmac("sha256", key).update(password).digest();
      const before = known.get(user);
      if (before !== undefined && timingSafeEqual(before, mark)) return true;
      const hash = hashes.get(user);
      const matches = await limit(() => bcrypt.compare(password, hash ?? nobody));
      if (hash === undefined || !matches) return false;
      known.set(user, mark);
      return true;
    },
  };
}
