/** A key of a keyring, as `gpg --with-colons` lists it (GnuPG's doc/DETAILS). */
export interface GpgKey {
  readonly fingerprint: string;
  /** `Name (comment) <address>`, the first one first. */
  readonly userIds: readonly string[];
  /** OpenPGP number of the algorithm, and bits. */
  readonly algorithm: number;
  readonly bits: number;
  readonly created: Date;
  readonly expires: Date | undefined;
  /** `untrusted`: disabled, or said never to be trusted. */
  readonly state: "valid" | "expired" | "revoked" | "untrusted";
}

/** Keys in a listing, public or secret. */
export function parseKeys(listing: string): readonly GpgKey[] {
  const keys: { -readonly [field in keyof GpgKey]: GpgKey[field] }[] = [];
  const userIds: string[][] = [];
  for (const line of listing.split("\n")) {
    const [type, validity, bits, algorithm, , created, expires, , ownerTrust, userId = "", , capabilities] =
      line.split(":");
    const key = keys.at(-1);
    if (type === "pub" || type === "sec") {
      const ids: string[] = [];
      userIds.push(ids);
      const state =
        validity === "r"
          ? "revoked"
          : validity === "e"
            ? "expired"
            : ownerTrust === "n" || capabilities?.includes("D")
              ? "untrusted"
              : "valid";
      keys.push({
        fingerprint: "",
        userIds: ids,
        algorithm: Number(algorithm),
        bits: Number(bits),
        created: new Date(Number(created) * 1000),
        expires: expires ? new Date(Number(expires) * 1000) : undefined,
        state,
      });
    } else if (type === "fpr" && key?.fingerprint === "") key.fingerprint = userId;
    else if (type === "uid") userIds.at(-1)?.push(unescaped(userId));
  }
  return keys;
}

/** GnuPG writes colons and control characters as `\x3a`. */
const unescaped = (text: string): string =>
  text.replace(/\\x([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
