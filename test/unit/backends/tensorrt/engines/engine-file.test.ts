import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  readEngineFile,
  readEngineHeader,
  sha256,
  verifyEngineFile,
  writeEngineFile,
} from '../../../../../src/backends/tensorrt/engines/engine-file.js';
import { headerText, parseHeader } from '../../../../../src/backends/tensorrt/engines/header.js';
import { engineFolder, failure, headerOf, SERIALIZED } from '../../../../support/engines.js';

async function written(): Promise<string> {
  const path = join(engineFolder(), 'one.engine');
  await writeEngineFile(path, { header: headerOf(), serialized: SERIALIZED });
  return path;
}

/** An engine file around any header text, with hashes that are right: what a forger would write. */
function forged(header: string, serialized: Uint8Array = SERIALIZED): Buffer {
  const json = Buffer.from(header);
  const fixed = Buffer.alloc(16);
  fixed.write('T2IENGIN', 'latin1');
  fixed.writeUInt32LE(2, 8);
  fixed.writeUInt32LE(json.length, 12);
  const digest = Buffer.from(sha256(Buffer.concat([fixed, json])), 'hex');
  return Buffer.concat([fixed, digest, json, serialized]);
}

describe('engine files', () => {
  it('gives back what was written, to its owner alone', async () => {
    const path = await written();
    const { header, serialized } = await readEngineFile(path);
    expect(header).toEqual(headerOf());
    expect(Buffer.from(serialized).equals(Buffer.from(SERIALIZED))).toBe(true);
    expect(await verifyEngineFile(path)).toEqual(header);
    expect(await readEngineHeader(path)).toEqual(header);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(path, '..'))).toEqual(['one.engine']);
  });

  it('says what it is in its first bytes, and names no path and no machine', async () => {
    const path = await written();
    const text = readFileSync(path, 'latin1');
    expect(text.startsWith('T2IENGIN\x02\0\0\0')).toBe(true);
    expect(text).not.toContain(join(path, '..'));
    expect(text).toBe(forged(JSON.stringify(headerOf())).toString('latin1'));
  });

  it('reads an engine of many blocks', async () => {
    const serialized = new Uint8Array(9 * 2 ** 20 + 5).map((_, i) => i % 253);
    const path = join(engineFolder(), 'large.engine');
    await writeEngineFile(path, { header: headerOf({}, serialized), serialized });
    expect(sha256((await readEngineFile(path)).serialized)).toBe(sha256(serialized));
    await verifyEngineFile(path);
    const bytes = readFileSync(path);
    bytes[bytes.length - 3]! ^= 4;
    writeFileSync(path, bytes);
    expect((await failure(readEngineFile(path))).message).toContain('its serialized engine is damaged');
    expect((await failure(verifyEngineFile(path))).message).toContain('its serialized engine is damaged');
  });

  it('refuses the file with any one of its bytes changed', async () => {
    const path = await written();
    const whole = readFileSync(path);
    // Every byte before the engine, and many of the engine.
    for (let at = 0; at < whole.length; at += at < whole.length - SERIALIZED.length ? 1 : 31) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 1 << (at % 8);
      writeFileSync(path, bytes);
      expect((await failure(readEngineFile(path))).code, `byte ${at}`).toBe('ENGINE_INVALID');
    }
  });

  it('refuses every truncation and every appendix', async () => {
    const path = await written();
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length += length < 64 ? 1 : 37) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      expect((await failure(readEngineFile(path))).code, `${length} bytes`).toBe('ENGINE_INVALID');
      expect((await failure(readEngineHeader(path))).code, `${length} bytes`).toBe('ENGINE_INVALID');
    }
    writeFileSync(path, whole);
    appendFileSync(path, '\0');
    expect((await failure(readEngineFile(path))).message).toContain('bytes instead of');
  });

  it('refuses links, folders, pipes, what is missing and what everybody may write', async () => {
    const path = await written();
    const link = `${path}.link`;
    symlinkSync(path, link);
    expect((await failure(readEngineFile(link))).message).toContain('cannot be opened');
    expect((await failure(readEngineFile(join(path, '..')))).message).toContain('no regular file');
    spawnSync('mkfifo', [`${path}.pipe`]);
    expect((await failure(readEngineFile(`${path}.pipe`))).message).toContain('no regular file');
    expect((await failure(readEngineFile(`${path}.none`))).code).toBe('ENGINE_INVALID');
    // What the system says of itself is no damage.
    expect((await failure(readEngineFile(`${path}${'x'.repeat(300)}`))).code).toBe('IO_FAILED');
    chmodSync(path, 0o602);
    expect((await failure(readEngineFile(path))).message).toContain('everybody may write it');
  });

  it('says which format version it reads', async () => {
    const path = await written();
    const bytes = readFileSync(path);
    bytes.writeUInt32LE(3, 8);
    writeFileSync(path, bytes);
    expect((await failure(readEngineFile(path))).message).toContain('its format version is 3, this package reads 2');
  });

  it('does not trust a header that is whole', async () => {
    const path = await written();
    const refusal = async (header: unknown) => {
      writeFileSync(path, forged(typeof header === 'string' ? header : JSON.stringify(header)));
      return (await failure(readEngineFile(path))).message;
    };
    const header = headerOf();
    expect(await refusal('{')).toContain('not valid JSON');
    expect(await refusal([])).toContain('header');
    expect(await refusal({ ...header, host: 'here' })).toContain('host');
    expect(await refusal({ ...header, component: '../unet' })).toContain('component');
    expect(await refusal({ ...header, model: 'a\nb' })).toContain('control characters');
    expect(await refusal({ ...header, serialized: { ...header.serialized, bytes: 2 ** 40 } })).toContain(
      'bytes instead of',
    );
    expect(await refusal({ ...header, serialized: { ...header.serialized, sha256: 'cd'.repeat(32) } })).toContain(
      'serialized engine is damaged',
    );
    expect(await refusal({ ...header, onnx: { ...header.onnx, file: '/etc/passwd' } })).toContain('onnx.file');
    expect(await refusal({ ...header, computeCapabilities: [8.9], precision: 'fp8' })).toMatch(/computeCap.*precision/);
  });

  it('answers any header and any bytes with an error of this package or a header that holds', async () => {
    const path = await written();
    const fields = Object.keys(headerOf());
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...fields), fc.jsonValue(), async (field, value) => {
        writeFileSync(path, forged(JSON.stringify({ ...headerOf(), [field]: value })));
        const read = await readEngineFile(path).catch((error) => error);
        if (read instanceof Error)
          expect(await failure(() => Promise.reject(read))).toHaveProperty('code', 'ENGINE_INVALID');
        else expect(read.header[field as 'model']).toEqual(value);
      }),
      { numRuns: 500 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, magic) => {
        writeFileSync(path, magic ? Buffer.concat([Buffer.from('T2IENGIN\x02\0\0\0'), bytes]) : bytes);
        expect((await failure(readEngineFile(path))).code).toBe('ENGINE_INVALID');
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => parseHeader(JSON.stringify(value), 'x')).toThrow('The engine x cannot be used');
      }),
    );
  });

  it('writes no header that it would not read', async () => {
    const folder = engineFolder();
    const header = headerOf({ model: 'a\nb' });
    expect((await failure(writeEngineFile(join(folder, 'x'), { header, serialized: SERIALIZED }))).code).toBe(
      'ENGINE_INVALID',
    );
    expect(readdirSync(folder)).toEqual([]);
    const model = headerText(`a\nb${'c'.repeat(1400)}`);
    expect(model).toMatch(/^a\?bc{997}$/);
    await writeEngineFile(join(folder, 'x'), {
      header: headerOf({ model, fallback: headerText('') }),
      serialized: SERIALIZED,
    });
  });

  it('leaves no temporary file where it cannot write', async () => {
    const path = join(engineFolder(), 'missing', 'one.engine');
    expect((await failure(writeEngineFile(path, { header: headerOf(), serialized: SERIALIZED }))).code).toBe(
      'IO_FAILED',
    );
    const folder = engineFolder();
    const taken = join(folder, 'taken');
    spawnSync('mkdir', ['-p', join(taken, 'x')]);
    expect((await failure(writeEngineFile(taken, { header: headerOf(), serialized: SERIALIZED }))).code).toBe(
      'IO_FAILED',
    );
    expect(readdirSync(folder)).toEqual(['taken']);
  });
});
