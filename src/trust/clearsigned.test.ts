import { describe, expect, test } from "vitest";
import { textOf, utf8 } from "../base/bytes.js";
import { Failure } from "../base/failure.js";
import { isClearsigned, longestLine, parseClearsigned } from "./clearsigned.js";

const document = (text: string, { headers = ["Hash: SHA512"], before = "", after = "" } = {}): Uint8Array =>
  utf8(
    [
      `${before}-----BEGIN PGP SIGNED MESSAGE-----`,
      ...headers,
      "",
      text,
      "-----BEGIN PGP SIGNATURE-----",
      "",
      "aGVsbG8=",
      "-----END PGP SIGNATURE-----",
      after,
    ].join("\n"),
  );

const textIn = (bytes: Uint8Array): string | undefined => textOf(parseClearsigned(bytes, "a.sig").text);

const refusal = (bytes: Uint8Array): string => {
  try {
    parseClearsigned(bytes, "a.sig");
    return "accepted";
  } catch (error) {
    return error instanceof Failure ? error.code : String(error);
  }
};

test("the text is what is signed: without escapes, trailing blanks, CRs and the last line end", () => {
  expect(textIn(document('{\n"version":3,\n}'))).toBe('{\n"version":3,\n}');
  expect(textIn(document("- -dashed\n- - twice\nends in blanks \t \n\nlast\n"))).toBe(
    "-dashed\n- twice\nends in blanks\n\nlast\n",
  );
  expect(textIn(utf8(textOf(document("a\nb"))?.replaceAll("\n", "\r\n") ?? ""))).toBe("a\nb");
  expect(textIn(document(""))).toBe("");
  expect(textIn(document("x".repeat(longestLine)))).toHaveLength(longestLine);
});

test("the armor and the hashes are kept for whoever verifies", () => {
  const { armor, hashes } = parseClearsigned(document("a", { headers: ["Hash: SHA256,SHA512"] }), "a.sig");
  expect(hashes).toEqual(["SHA256", "SHA512"]);
  expect(armor).toBe("-----BEGIN PGP SIGNATURE-----\n\naGVsbG8=\n-----END PGP SIGNATURE-----\n");
});

test("a document without a signature is told from one that is broken", () => {
  expect(refusal(utf8('{"version":3}'))).toBe("gpg.signature-missing");
  expect(refusal(new Uint8Array())).toBe("gpg.signature-missing");
  expect(isClearsigned(utf8("-----BEGIN PGP SIGNED"))).toBe(false);
  expect(isClearsigned(document("a"))).toBe(true);
});

describe("refused, because readers would not agree on what is signed:", () => {
  test.each<[string, Uint8Array, string?]>([
    ["text before the armor", document("a", { before: "look here\n" }), "gpg.signature-missing"],
    ["a byte order mark before the armor", document("a", { before: "\ufeff" }), "gpg.signature-missing"],
    ["an empty line before the armor", document("a", { before: "\n" }), "gpg.signature-missing"],
    ["text after the armor", document("a", { after: "and this" })],
    ["a second document after the first", document("a", { after: textOf(document("b")) ?? "" })],
    ["text in place of a header", document("a", { headers: ["Hash: SHA512", "pay attention"] })],
    ["another header", document("a", { headers: ["Hash: SHA512", "Comment: signed by root"] })],
    ["a header with text behind it", document("a", { headers: ["Hash: SHA512 {}"] })],
    ["a document within the text", document("a\n-----BEGIN PGP SIGNED MESSAGE-----\nb")],
    ["a dash that is not escaped", document("-a")],
    ["an end before the beginning", document("a\n-----END PGP SIGNATURE-----")],
    ["a carriage return within a line", document("a\rb")],
    ["two carriage returns", document("a\r\r\nb")],
    ["NUL", document("a\0b")],
    ["a line of which GnuPG would sign a part", document("x".repeat(longestLine + 1))],
    ["no empty line", utf8("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\na")],
    ["no signature block", utf8("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\na\n")],
    ["a signature block without an end", document("a").slice(0, -32)],
    ["bytes that are not UTF-8", document("a").map((byte) => (byte === 0x61 ? 0xe9 : byte))],
  ])("%s", (_, bytes, code = "gpg.document-malformed") => {
    expect(refusal(bytes)).toBe(code);
  });
});
