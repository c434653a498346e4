import { expect, test } from "vitest";
import { textOf, utf8 } from "../base/bytes.js";
import { decodeKeyIndex, encodeKeyIndex } from "./published-keys.js";

const fingerprint = "797D9A04F3867B5E94147454A0FE8B241990D6B3";

test("an index of keys is the bytes that Spack writes", () => {
  expect(textOf(encodeKeyIndex([fingerprint]))).toBe(`{"keys":{"${fingerprint}":{}}}`);
  expect(decodeKeyIndex(encodeKeyIndex([fingerprint]), "keys")).toEqual([fingerprint]);
});

test.each(['{"keys":{"../../etc/passwd":{}}}', '{"keys":[]}', "{}", "[]", '{"keys":{"":{}}}'])(
  "%s is refused",
  (text) => {
    expect(() => decodeKeyIndex(utf8(text), "keys")).toThrow(
      expect.objectContaining({ code: "buildcache.key-index-broken" }),
    );
  },
);
