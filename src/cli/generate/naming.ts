import { createHash } from 'node:crypto';
import { type Stats, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import type { Issue } from '../../errors.js';
import { absolutePath } from '../../files.js';
import { formatOfPath, IMAGE_FORMATS, type ImageFormat } from '../../image/formats.js';
import { didYouMean } from '../../suggest.js';

/** How the files of one run are named. */
export interface Naming {
  /** Path with placeholders. */
  readonly template: string;
  readonly format: ImageFormat;
}

/** What distinguishes one image of a run from the others. */
export interface ImageName {
  readonly prompt: string;
  readonly seed: number;
  /** Counts the images of a run from 0. */
  readonly index: number;
}

const PLACEHOLDERS = ['seed', 'index', 'prompt-hash'];
/** The template, and the path, of an image that goes to standard output. */
export const TO_STDOUT = '-';
/** Renaming a file over one of these would take it from every other program. */
const STANDARD_OUTPUT: ReadonlySet<string> = new Set([TO_STDOUT, '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']);
const DEFAULT_NAME = '{prompt-hash}-{seed}';

/**
 * Reads `--output` and `--format`. A name without extension, one that ends in a slash and one of an existing folder are
 * folders, whose files are named by prompt and seed.
 *
 * @param fallback the format where neither of them names one
 * @returns what is wrong with them, where something is
 */
export function readNaming(
  output: string | undefined,
  format: string | undefined,
  fallback = 'png',
): Naming | { issues: Issue[] } {
  const issues: Issue[] = [];
  if (output?.includes('\0')) {
    issues.push({ option: '--output', expected: 'a path without NUL', received: JSON.stringify(output) });
    return { issues };
  }
  if (format !== undefined && !isFormat(format)) {
    issues.push({
      option: '--format',
      expected: `one of ${IMAGE_FORMATS.join(', ')}`,
      received: JSON.stringify(format),
    });
  }
  const path = output === undefined ? DEFAULT_NAME : isFolder(output) ? join(output, DEFAULT_NAME) : output;
  for (const [whole, name] of path.matchAll(/\{([^{}]*)\}/g)) {
    if (!PLACEHOLDERS.includes(name as string)) {
      const expected = `one of {${PLACEHOLDERS.join('}, {')}}`;
      const problem = `unknown placeholder ${whole}${didYouMean(name as string, PLACEHOLDERS)}`;
      issues.push({ option: '--output', expected, received: whole, problem });
    }
  }
  if (issues.length > 0) return { issues };
  const wanted = format as ImageFormat | undefined;
  const otherwise = wanted ?? (isFormat(fallback) ? fallback : 'png');
  if (output !== undefined && STANDARD_OUTPUT.has(output)) return { template: TO_STDOUT, format: otherwise };
  // Ends in a placeholder, as {prompt-hash}-{seed} does, or in nothing: the format gives the extension.
  if (extname(basename(path)) === '') {
    if (isSpecial(path)) return { template: path, format: otherwise };
    return { template: `${path}.${otherwise === 'jpeg' ? 'jpg' : otherwise}`, format: otherwise };
  }
  try {
    const named = formatOfPath(path);
    if (wanted === undefined || wanted === named) return { template: path, format: named };
    return { issues: [{ option: '--format', expected: `${named}, as ${path} says, or nothing`, received: wanted }] };
  } catch {
    const expected = 'a name that ends in .png, .jpg, .jpeg or .webp, a folder or a template';
    return { issues: [{ option: '--output', expected, received: JSON.stringify(path) }] };
  }
}

/** The path of one image. */
export function pathOf(naming: Naming, { prompt, seed, index }: ImageName): string {
  const values: Record<string, string> = {
    seed: String(seed),
    index: String(index),
    'prompt-hash': createHash('sha256').update(prompt).digest('hex').slice(0, 8),
  };
  return naming.template.replace(/\{([^{}]*)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** One issue for each path that several images of a run would share. */
export function duplicatePaths(paths: readonly string[]): Issue[] {
  const files = new Map<string, string[]>();
  for (const path of paths) {
    const file = path === TO_STDOUT ? path : absolutePath(path);
    files.set(file, [...(files.get(file) ?? []), path]);
  }
  return [...files.values()]
    .filter((spellings) => spellings.length > 1)
    .map((spellings) => ({ path: spellings[0] as string, spellings }))
    .map(({ path, spellings }) => ({
      option: '--output',
      expected:
        path === TO_STDOUT
          ? 'one image where it goes to standard output'
          : `a name of its own for each image, for example ${withPlaceholder(path)}`,
      received: `${[...new Set(spellings)].join(' and ')} for ${spellings.length} images`,
    }));
}

function withPlaceholder(path: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}-{index}${extension}`;
}

function isFolder(path: string): boolean {
  if (/[/\\]$/.test(path)) return true;
  if (kindOf(path)?.isDirectory()) return true;
  if (isSpecial(path)) return false;
  return extname(path) === '' && !/\{[^{}]*\}/.test(path);
}

/** A pipe or a device, whose name says no format. */
function isSpecial(path: string): boolean {
  const found = kindOf(path);
  return found !== null && !found.isFile() && !found.isDirectory();
}

/** Null where nothing is there; what else the system refuses to say is told where the file is written. */
function kindOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function isFormat(name: string): name is ImageFormat {
  return (IMAGE_FORMATS as readonly string[]).includes(name);
}
