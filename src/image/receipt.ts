import { createHash } from 'node:crypto';
import { describeIssues, type Issue, T2IError } from '../errors.js';
import { checkFields, describeValue, type Field, integer, isRecord, oneOf, real, text } from '../fields.js';

/** Version of the receipt's schema; a reader refuses every other one by name. */
export const RECEIPT_VERSION = 1;

/** All that is needed to make an image again and to tell whether it is the same. It holds no time: one request, one sequence of bytes. */
export interface Receipt {
  readonly version: typeof RECEIPT_VERSION;
  readonly prompt: string;
  readonly negativePrompt: string;
  readonly seed: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly guidanceScale: number;
  readonly plan: {
    readonly sampler: string;
    /** Null for the model's own choice. */
    readonly sigmas: 'default' | 'karras' | null;
    /** How the steps were spaced in the end; receipts of version 0.1 lack it. */
    readonly schedule?: 'default' | 'karras';
    /** Null where the sampler takes none. */
    readonly eta: number | null;
    readonly steps: number;
    /** Of the plan's numbers, see `hashArrays`; the same on every machine. */
    readonly sha256: string;
  };
  readonly model: { readonly name: string; readonly hashes: Readonly<Record<string, string>> };
  readonly backend: {
    /** Backend that ran. */
    readonly name: string;
    /** Name and version of its runtime. */
    readonly runtime: string;
    /** SHA-256 in hex of each network's serialized engine, as `t2i engines inspect` prints it; left out by backends without engines. */
    readonly engines?: Readonly<Record<string, string>>;
    /** What each network's engine computes in, for example `bf16`; as `engines`, which came before it. */
    readonly precisions?: Readonly<Record<string, string>>;
  };
  /** Package and version that made the image. */
  readonly sdk: string;
  /** API by which a server was asked for the image; absent where a program made it in its own process. */
  readonly served?: string;
  /** Of the image's noise, float32 little-endian; the same on every machine. */
  readonly noiseSha256: string;
  /** Of the pixels, 8-bit RGB, row-major. */
  readonly rgbSha256: string;
}

const SHA256 = /^[0-9a-f]{64}$/;
const sha256: Field = {
  expected: 'a SHA-256 in hex',
  accepts: (value) => typeof value === 'string' && SHA256.test(value),
};
const record: Field = { expected: 'an object', accepts: (value) => isRecord(value) };
const name = text('a name', 1, 1000);
const prompt = text('text of at most 10000 characters', 0, 10_000);
const orNull = (field: Field): Field => ({
  expected: `${field.expected} or null`,
  accepts: (value) => value === null || field.accepts(value),
});

const FIELDS: Record<keyof Receipt, Field> = {
  version: integer(RECEIPT_VERSION, RECEIPT_VERSION, String(RECEIPT_VERSION)),
  prompt,
  negativePrompt: prompt,
  seed: integer(0, Number.MAX_SAFE_INTEGER),
  width: integer(1, 65_535),
  height: integer(1, 65_535),
  guidanceScale: real(0, 1000, 'a number from 0 to 1000'),
  plan: record,
  model: record,
  backend: record,
  sdk: name,
  served: name,
  noiseSha256: sha256,
  rgbSha256: sha256,
};
const PLAN_FIELDS: Record<keyof Receipt['plan'], Field> = {
  sampler: name,
  sigmas: orNull(oneOf(['default', 'karras'])),
  schedule: oneOf(['default', 'karras']),
  eta: orNull(real(0, 1, 'a number from 0 to 1')),
  steps: integer(1, 1_000_000),
  sha256,
};
const byName = (most: number, what: string, by: string, each: Field): Field => ({
  expected: `at most ${most} ${what}, each under the name of a ${by}`,
  accepts: (value) =>
    isRecord(value) &&
    Object.keys(value).length <= most &&
    Object.keys(value).every(name.accepts) &&
    // Assigned to an object, this name would be no entry of it.
    !Object.hasOwn(value, '__proto__') &&
    Object.values(value).every(each.accepts),
});
const hashes = (most: number, by: string): Field => byName(most, 'SHA-256 in hex', by, sha256);
const MODEL_FIELDS: Record<keyof Receipt['model'], Field> = { name, hashes: hashes(1000, 'file') };
const BACKEND_FIELDS: Record<keyof Receipt['backend'], Field> = {
  name,
  runtime: name,
  engines: hashes(10, 'network'),
  precisions: byName(10, 'names of precisions', 'network', name),
};
/** Fields that came after the first receipts of this version were written. */
const OPTIONAL: ReadonlySet<string> = new Set(['backend.engines', 'backend.precisions', 'plan.schedule', 'served']);

/** A receipt with more fields in one place is not looked at one by one: their names alone would fill a terminal. */
const MAX_FIELDS = 50;

/** The receipt as ASCII JSON without `<`, `>` and `&`, so that it passes unchanged through every text chunk and through XML. */
export function serializeReceipt(receipt: Receipt): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(receipt).replace(/[^\x20-\x7e]|[<>&]/g, escaped);
}

/**
 * Reads a receipt's JSON and checks every field of it; what it returns can be trusted in form, not in truth.
 *
 * @throws T2IError RECEIPT_INVALID with every mistake in `issues`
 */
export function parseReceipt(json: string): Receipt {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new T2IError('RECEIPT_INVALID', 'The receipt of the image is not valid JSON', { cause });
  }
  return checkReceipt(value);
}

/**
 * Checks every field of a receipt.
 *
 * @throws T2IError RECEIPT_INVALID with every mistake in `issues`
 */
export function checkReceipt(value: unknown): Receipt {
  const issues = receiptIssues(value);
  if (issues.length > 0) {
    throw new T2IError('RECEIPT_INVALID', `The receipt of the image is invalid: ${describeIssues(issues)}`, {
      issues,
    });
  }
  return value as Receipt;
}

function receiptIssues(value: unknown): Issue[] {
  if (isRecord(value) && value.version !== RECEIPT_VERSION) {
    return [{ option: 'version', expected: String(RECEIPT_VERSION), received: describeValue(value.version) }];
  }
  const issues = strictIssues(value, FIELDS);
  if (issues.length > 0) return issues;
  const receipt = value as Receipt;
  return [
    ...strictIssues(receipt.plan, PLAN_FIELDS, 'plan.'),
    ...strictIssues(receipt.model, MODEL_FIELDS, 'model.'),
    ...strictIssues(receipt.backend, BACKEND_FIELDS, 'backend.'),
  ];
}

/** As `checkFields`, with every field required that is not optional. */
function strictIssues(value: unknown, fields: Readonly<Record<string, Field>>, prefix = ''): Issue[] {
  const count = isRecord(value) ? Object.keys(value).length : 0;
  if (count > MAX_FIELDS) {
    const option = prefix === '' ? 'receipt' : prefix.slice(0, -1);
    return [{ option, expected: `at most ${MAX_FIELDS} fields`, received: String(count) }];
  }
  const issues = checkFields(value, fields);
  for (const [option, field] of Object.entries(fields)) {
    const missing = isRecord(value) && value[option] === undefined;
    if (missing && !OPTIONAL.has(prefix + option))
      issues.push({ option, expected: field.expected, received: 'nothing' });
  }
  return issues.map((issue) => ({ ...issue, option: prefix + issue.option }));
}

/** SHA-256 in hex of the bytes of some arrays, one after the other. */
export function hashArrays(...arrays: readonly (Uint8Array | Float32Array)[]): string {
  const hash = createHash('sha256');
  for (const array of arrays) hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return hash.digest('hex');
}

/** One SHA-256 in hex for a whole model: of its files' paths and hashes, in order of the paths. */
export function hashModel(hashes: Readonly<Record<string, string>>): string {
  const lines = Object.keys(hashes)
    .sort()
    .map((path) => `${hashes[path]}  ${path}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}
