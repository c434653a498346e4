import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openHttpClient } from "./http-client.js";

const size = 1_000_000;
const body = Buffer.alloc(size, "x");
const chunked = Buffer.concat([Buffer.from(`${size.toString(16)}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")]);

/** Reads an answer slowly: its first chunk, then nothing until the server is done, then the rest. */
async function readSlowly(answer: (socket: Socket) => void): Promise<number> {
  await using server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => answer(socket));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const clock = { now: Date.now, sleep: async () => undefined };
  const client = openHttpClient({ clock, random: Math.random, environment: {} });
  try {
    const url = new URL(`http://127.0.0.1:${port}/`);
    const access = { origin: url.origin, domain: url.host, scopes: [] };
    const { body: stream } = await client.send({ method: "GET", url, access, streamed: true });
    let length = 0;
    for await (const chunk of stream ?? []) {
      if (length === 0) await sleep(50);
      // What pauses the parser at the last byte is to read what is there, and no more.
      await sleep(1);
      length += chunk.byteLength;
    }
    return length;
  } finally {
    await client.close();
  }
}

test.each([
  ["HTTP/1.0 200 OK\r\nContent-Length: 1000000\r\n\r\n", body],
  ["HTTP/1.0 200 OK\r\n\r\n", body],
  ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n", body],
  ["HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n", chunked],
])("an answer that ends with its connection is whole, however slowly it is read: %j", async (head, rest) => {
  expect(await readSlowly((socket) => socket.end(Buffer.concat([Buffer.from(head), rest])))).toBe(size);
});

test.each([
  ["end", (socket: Socket) => socket.end()],
  ["reset", (socket: Socket) => setTimeout(() => socket.resetAndDestroy(), 20)],
])("one that is cut short (%s) is an error", async (_, finish) => {
  const cut = (socket: Socket): void => {
    socket.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000001\r\n\r\n");
    socket.write(body, () => finish(socket));
  };
  await expect(readSlowly(cut)).rejects.toThrow();
});
