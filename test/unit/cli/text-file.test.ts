import { expect, it } from 'vitest';
import { decodeText } from '../../../src/cli/text-file.js';

const text = '{"prompt": "ein Äpfel 🍎"}\r\n';
const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le');

it.each([
  ['UTF-8', Buffer.from(text)],
  ['UTF-8 with a mark', Buffer.from(`\ufeff${text}`)],
  ['UTF-16, little end first', utf16],
  ['UTF-16, big end first', Buffer.from(utf16).swap16()],
])('reads %s', (_, bytes) => {
  expect(decodeText(bytes)).toBe(text);
});

it.each([
  [[0xff, 0x61], '\ufffda'],
  [[0x61, 0xfe], 'a\ufffd'],
  [[0xfe, 0x61], '\ufffda'],
  [[0x61, 0xff], 'a\ufffd'],
  [[0xff], '\ufffd'],
  [[], ''],
])('takes %j, which is half a mark or none, for UTF-8', (bytes, read) => {
  expect(decodeText(Uint8Array.from(bytes))).toBe(read);
});
