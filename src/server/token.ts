import { createHmac, timingSafeEqual } from "node:crypto";
import { textOf } from "../base/bytes.js";
import { isObject } from "../base/decode.js";

/** What a token lets its bearer do with a repository (distribution's token specification). */
export interface TokenAccess {
  readonly name: string;
  readonly actions: readonly string[];
}

export interface TokenClaims {
  /** Empty for a token of nobody in particular. */
  readonly user: string;
  /** A refresh token stands for a password, and opens nothing by itself. */
  readonly use: "access" | "refresh";
  /** Seconds since 1970. */
  readonly expires: number;
  readonly access: readonly TokenAccess[];
}

/** Signs tokens and reads its own: JSON Web Tokens (RFC 7519) with HMAC-SHA256. */
export interface TokenSigner {
  sign(claims: TokenClaims): string;
  /** undefined where it was not signed here, or has expired. */
  verify(token: string): TokenClaims | undefined;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const header = encode({ alg: "HS256", typ: "JWT" });

export function createTokenSigner({
  key,
  now,
}: {
  readonly key: Uint8Array;
  /** Seconds since 1970. */
  readonly now: () => number;
}): TokenSigner {
  const signatureOf = (text: string): Buffer => createHmac("sha256", key).update(text).digest();
  return {
    sign({ user, use, expires, access }) {
      const issued = Math.floor(now());
      const text = `${header}.${encode({ sub: user, use, iat: issued, exp: expires, access })}`;
      return `${text}.${signatureOf(text).toString("base64url")}`;
    },
    verify(token) {
      const [head, payload = "", signature = "", ...more] = token.split(".");
      // The one header there is, so that no other algorithm can be asked for.
      if (head !== header || more.length > 0) return undefined;
      const given = Buffer.from(signature, "base64url");
      const right = signatureOf(`${head}.${payload}`);
      if (given.byteLength !== right.byteLength || !timingSafeEqual(given, right)) return undefined;
      const claims = decodeClaims(Buffer.from(payload, "base64url"));
      return claims !== undefined && claims.expires > now() ? claims : undefined;
    },
  };
}

function decodeClaims(bytes: Uint8Array): TokenClaims | undefined {
  const json: unknown = JSON.parse(textOf(bytes) ?? "null");
  if (!isObject(json)) return undefined;
  const { sub, use, exp, access } = json;
  if (typeof sub !== "string" || typeof exp !== "number" || (use !== "access" && use !== "refresh"))
    return undefined;
  return { user: sub, use, expires: exp, access: Array.isArray(access) ? access.filter(isAccess) : [] };
}

const isAccess = (value: unknown): value is TokenAccess =>
  isObject(value) && typeof value["name"] === "string" && Array.isArray(value["actions"]);
