import { expect, test } from "vitest";
import { parseKeys } from "./gpg-key.js";
import { verifiedSignatures } from "./gpg-status.js";

const fingerprint = "797D9A04F3867B5E94147454A0FE8B241990D6B3";
const valid = `VALIDSIG ${fingerprint} 2026-11-22 1795331343 0 4 0 1 10 01 ${fingerprint}`;
const good = [
  "NEWSIG",
  `GOODSIG A0FE8B241990D6B3 A Name (of a key) <a@example.com>`,
  valid,
  "TRUST_UNDEFINED 0 pgp",
];

test("a good signature, by whom and when", () => {
  expect(verifiedSignatures(good)).toEqual([
    {
      type: "good",
      signer: {
        fingerprint,
        userId: "A Name (of a key) <a@example.com>",
        signedAt: new Date(1_795_331_343_000),
      },
      hash: 10,
      signatureClass: 1,
    },
  ]);
});

test.each([
  ["BADSIG A0FE8B241990D6B3 A Name", "signature-wrong"],
  ["EXPSIG A0FE8B241990D6B3 A Name", "signature-expired"],
  ["EXPKEYSIG A0FE8B241990D6B3 A Name", "key-expired"],
  ["REVKEYSIG A0FE8B241990D6B3 A Name", "key-revoked"],
  ["ERRSIG A0FE8B241990D6B3 1 10 01 1795331343 9 -", "key-unknown"],
  ["ERRSIG A0FE8B241990D6B3 1 1 01 1795331343 5 -", "signature-weak"],
  ["ERRSIG A0FE8B241990D6B3 99 10 01 1795331343 4 -", "key-unusable"],
  ["GOODSIG A0FE8B241990D6B3 A Name without a VALIDSIG", "signature-wrong"],
  ["SOMETHING else", "signature-wrong"],
])("%s is %s", (line, refusal) => {
  expect(verifiedSignatures(["NEWSIG", line])).toMatchObject([{ type: "refused", refusal }]);
});

test("each signature is judged by its own lines, and a good one saves no other", () => {
  const both = verifiedSignatures([...good, "NEWSIG", "BADSIG A0FE8B241990D6B3 A Name"]);
  expect(both.map(({ type }) => type)).toEqual(["good", "refused"]);
  expect(verifiedSignatures(["NEWSIG", "EXPKEYSIG A0FE8B241990D6B3 A Name", valid])).toMatchObject([
    { type: "refused", refusal: "key-expired", key: fingerprint },
  ]);
  expect(verifiedSignatures([valid])).toEqual([]);
});

test("keys as gpg lists them", () => {
  const listing = [
    "tru::1:1795350953:0:3:1:5",
    "pub:u:4096:1:A0FE8B241990D6B3:1795330638:1795340638::u:::scSC::::::23::0:",
    `fpr:::::::::${fingerprint}:`,
    "uid:u::::1795330638::26F5::A Name\\x3a of a key <a@example.com>::::::::::0:",
    "sub:u:255:22:1111111111111111:1795330638::::::s:::::ed25519::",
    "fpr:::::::::1111111111111111111111111111111111111111:",
    "pub:r:255:22:2222222222222222:1795330638:::-:::sc::::::23::0:",
    "fpr:::::::::2222222222222222222222222222222222222222:",
    "pub:-:255:22:3333333333333333:1795330638:::n:::sc::::::23::0:",
    "pub:-:255:22:4444444444444444:1795330638:::-:::scD::::::23::0:",
  ];
  const [first, ...others] = parseKeys(listing.join("\n"));
  expect(first).toEqual({
    fingerprint,
    userIds: ["A Name: of a key <a@example.com>"],
    algorithm: 1,
    bits: 4096,
    created: new Date(1_795_330_638_000),
    expires: new Date(1_795_340_638_000),
    state: "valid",
  });
  expect(others.map(({ state }) => state)).toEqual(["revoked", "untrusted", "untrusted"]);
});
