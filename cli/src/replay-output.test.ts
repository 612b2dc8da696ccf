import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { RecordedEvent } from "@sallyport/proto/gen/sallyport/api/v1/api";
import { encodeErrorResponse, encodeNoticeResponse, encodeReadyForQuery } from "@sallyport/proto/wire/postgres/backend";
import { encodeFrame } from "@sallyport/proto/wire/postgres/frames";
import { AnswerMessages, MAX_SHOWN_MESSAGE_BYTES } from "./answer-messages.ts";
import { answerLines, sentLines } from "./answer-lines.ts";
import { ReplayOutput } from "./replay-output.ts";

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
const int32 = (value: number): Buffer => Buffer.from([value >> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff]);
const message = (type: string, ...parts: readonly (Buffer | string)[]): Buffer =>
  encodeFrame(type.charCodeAt(0), Buffer.concat(parts.map((part) => Buffer.from(part as string))));
const columns = (...names: readonly string[]): Buffer => message("T", int16(names.length), ...names.flatMap((name) => [`${name}\0`, Buffer.alloc(18)]));
const row = (...cells: readonly (string | Buffer | null)[]): Buffer =>
  message("D", int16(cells.length), ...cells.flatMap((cell) => (cell === null ? [int32(-1)] : [int32(Buffer.byteLength(cell)), cell])));
const tag = (text: string): Buffer => message("C", `${text}\0`);

const chunk = (commandId: number, bytes: Buffer): RecordedEvent =>
  ({ type: "OutputRecorded", dataJson: JSON.stringify({ commandId, gzipBase64: gzipSync(bytes).toString("base64") }) }) as RecordedEvent;
const said = (output: ReplayOutput, ...chunks: readonly RecordedEvent[]): string[] =>
  [...chunks.flatMap((each) => output.lines(each)), ...output.rest()].map((line) => stripVTControlCharacters(line).trim());

describe("recorded output in a replay", () => {
  it("is shown as a person reads it: names, rows, COPY data, errors, notices, and how it ended", () => {
    const answer = Buffer.concat([
      columns("name", "email"),
      row("Ana", "a**@****.com"),
      row(null, ""),
      tag("SELECT 2"),
      message("H", Buffer.from([0, 0, 0])),
      message("d", "1\tAna\n"),
      message("c"),
      tag("COPY 1"),
      encodeNoticeResponse({ severity: "WARNING", sqlstate: "01000", message: "mind the gap" }),
      encodeErrorResponse({ severity: "ERROR", sqlstate: "22012", message: "division by zero" }),
      message("V", int32(2), "42"),
      message("A", int32(7), "news\0of today\0"),
      encodeReadyForQuery("I"),
    ]);
    assert.deepEqual(said(new ReplayOutput(20, answerLines), chunk(1, answer)), [
      "name | email",
      "Ana | a**@****.com",
      "NULL |",
      "SELECT 2",
      "1·Ana",
      "COPY 1",
      "WARNING 01000: mind the gap",
      "ERROR 22012: division by zero",
      "42",
      "notified on news: of today",
    ]);
  });

  it("shows bytes as bytes, and long cells by their beginning", () => {
    const shown = said(new ReplayOutput(20, answerLines), chunk(1, row(Buffer.from([0, 1, 255]), "é".repeat(200), Buffer.alloc(100))));
    assert.deepEqual(shown, [`\\x0001ff | ${"é".repeat(120)}… (400 bytes) | \\x${"00".repeat(32)}… (100 bytes)`]);
  });

  it("lets nothing through that would steer a terminal", () => {
    const answer = Buffer.concat([
      columns("a\u001b[2Jb"),
      row("x\u001b]0;y\u0007z"),
      encodeErrorResponse({ severity: "ERROR", sqlstate: "XX000", message: "\u001b[2K" }),
    ]);
    const lines = new ReplayOutput(20, answerLines).lines(chunk(1, answer));
    assert.equal(lines.length, 3);
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for; our own colours are not
    for (const line of lines) assert.doesNotMatch(line.replaceAll(/\u001b\[\d+m/gu, ""), /[\u0000-\u001f]/u);
  });

  it("shows so many lines of each command and says how many more there are, over all its chunks", () => {
    const rows = Buffer.concat([row("1"), row("2"), row("3"), tag("SELECT 3")]);
    const chunks = [chunk(1, Buffer.concat([columns("a"), rows])), chunk(1, rows), chunk(2, rows)];
    assert.deepEqual(said(new ReplayOutput(2, answerLines), ...chunks), ["a", "1", "2", "… 4 more lines (--output)", "1", "2", "… 1 more lines (--output)"]);
    assert.equal(said(new ReplayOutput(Infinity, answerLines), ...chunks).length, 1 + 4 + 4 + 4);
    assert.deepEqual(said(new ReplayOutput(0, answerLines), ...chunks), []);
  });

  it("finds the messages however chunks cut them, and holds little of a long one", () => {
    const bytes = Buffer.concat([row("a"), row("x".repeat(3 * MAX_SHOWN_MESSAGE_BYTES)), row("b"), message("c"), row("c")]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 50, max: 90_000 }), { minLength: 1, maxLength: 6 }), (sizes) => {
        const messages = new AnswerMessages();
        const found: [string, number, number][] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          for (const { type, payload, bytes: all } of messages.push(bytes.subarray(at, at + size))) found.push([type, payload.length, all]);
          at += size;
        }
        const long = 2 + 4 + 3 * MAX_SHOWN_MESSAGE_BYTES;
        assert.deepEqual(found, [
          ["D", 7, 7],
          ["D", MAX_SHOWN_MESSAGE_BYTES, long],
          ["D", 7, 7],
          ["c", 0, 0],
          ["D", 7, 7],
        ]);
      }),
      { numRuns: 30 },
    );
    assert.deepEqual(
      said(new ReplayOutput(20, answerLines), chunk(1, bytes)).map((line) => line.slice(-20)),
      ["a", `${"x".repeat(4)}… (196608 bytes) | …`.slice(-20), "b", "c"],
    );
  });

  it("says so where bytes are no message", () => {
    assert.deepEqual(said(new ReplayOutput(20, answerLines), chunk(1, Buffer.concat([message("D"), row("a")]))), [
      "(0 bytes that are no message of this kind)",
      "a",
    ]);
  });
});

describe("recorded COPY data in a replay", () => {
  it("is shown row by row, however the client put rows into messages, and binary data as bytes", () => {
    const sent = Buffer.concat([message("d", "1\tAna\n2\tBo\n"), message("d", "3\tÉa\r\n"), message("d", Buffer.from([0, 255])), message("c")]);
    assert.deepEqual(said(new ReplayOutput(20, sentLines), chunk(1, sent)), ["1·Ana", "2·Bo", "3·Éa·", "\\x00ff"]);
  });

  it("says why a client gave it up, and nothing that would steer a terminal", () => {
    const lines = said(new ReplayOutput(20, sentLines), chunk(1, Buffer.concat([message("d", "a\u001b[2J\n"), message("f", "no \u001b[2K more\0")])));
    assert.deepEqual(lines, ["a·[2J", "given up by the client: no ·[2K more"]);
  });

  it("is shown by so many rows of each command, and long ones by their beginning", () => {
    const sent = message("d", "1\n2\n3\n", "x".repeat(3 * MAX_SHOWN_MESSAGE_BYTES));
    assert.deepEqual(said(new ReplayOutput(2, sentLines), chunk(1, sent)), ["1", "2", "… 2 more lines (--output)"]);
    assert.equal(said(new ReplayOutput(4, sentLines), chunk(1, sent)).at(-1), `${"x".repeat(120)}… (196608 bytes)`);
  });
});
