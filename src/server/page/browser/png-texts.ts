import { inflateText, MAX_TEXT } from './inflate-text.js';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, index) => bytes[index] === byte);
}

/**
 * The text chunks of a PNG (ISO/IEC 15948, clause 11.3.4) by their keywords, up to where the file ends or is damaged. Texts that do not
 * unpack, or to more than 1 MiB, are left out.
 */
export async function readPngTexts(bytes: Uint8Array): Promise<Map<string, string>> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts = new Map<string, string>();
  for (let offset = SIGNATURE.length; offset + 12 <= bytes.length; ) {
    const length = view.getUint32(offset);
    const type = latin1(bytes.subarray(offset + 4, offset + 8));
    const end = offset + 8 + length;
    if (end + 4 > bytes.length) break;
    if (/^(?:tEXt|zTXt|iTXt)$/.test(type)) {
      const data = bytes.subarray(offset + 8, end);
      const keywordEnd = data.indexOf(0);
      const text = await textOf(type, data.subarray(keywordEnd + 1));
      if (keywordEnd > 0 && text !== null) texts.set(latin1(data.subarray(0, keywordEnd)), text);
    }
    offset = end + 4;
  }
  return texts;
}

/** What stands behind the keyword and its zero. */
async function textOf(type: string, rest: Uint8Array): Promise<string | null> {
  if (type === 'tEXt') return rest.length > MAX_TEXT ? null : latin1(rest);
  if (type === 'zTXt') return inflateText(rest.subarray(1), latin1);
  if (type !== 'iTXt') return null;
  const languageEnd = rest.indexOf(0, 2);
  const translationEnd = languageEnd < 0 ? -1 : rest.indexOf(0, languageEnd + 1);
  if (translationEnd < 0) return null;
  const text = rest.subarray(translationEnd + 1);
  if (rest[0] === 1) return inflateText(text, utf8);
  return text.length > MAX_TEXT ? null : utf8(text);
}

export const utf8 = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** `TextDecoder` would read it as windows-1252. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}
