import { randomBytes } from 'node:crypto';
import type { ImageFormat } from '../../image/formats.js';

const NAME = /^[A-Za-z0-9_-]{22}\.(png|jpeg|webp)$/;

/** The name of a file that is kept; nobody can guess it. */
export function newImageName(format: ImageFormat): string {
  return `${randomBytes(16).toString('base64url')}.${format}`;
}

/** The format of an image of such a name; null for any other name. */
export function formatOfName(name: string): ImageFormat | null {
  return (NAME.exec(name)?.[1] as ImageFormat | undefined) ?? null;
}
