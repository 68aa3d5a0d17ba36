import { extname } from 'node:path';
import { T2IError } from '../errors.js';

/** Image formats that can be written. PNG keeps every pixel; JPEG and WebP are lossy. */
export const IMAGE_FORMATS = ['png', 'jpeg', 'webp'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

const BY_EXTENSION: Readonly<Record<string, ImageFormat>> = {
  '.png': 'png',
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.webp': 'webp',
};

/**
 * The format that a file name's extension stands for.
 *
 * @throws T2IError OPTION_INVALID for an extension that stands for none
 */
export function formatOfPath(path: string): ImageFormat {
  const extension = extname(path).toLowerCase();
  const format = BY_EXTENSION[extension];
  if (format) return format;
  const known = Object.keys(BY_EXTENSION).join(', ');
  const issue = { option: 'path', expected: `a name that ends in ${known}`, received: JSON.stringify(path) };
  throw new T2IError('OPTION_INVALID', `path: expected ${issue.expected}, received ${issue.received}`, {
    issues: [issue],
  });
}
