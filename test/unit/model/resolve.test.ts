import { mkdirSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DEFAULT_MODEL, packagedModels, resolveModel } from '../../../src/model/resolve.js';
import { scratch } from './model-dir.js';

const packaged = fileURLToPath(new URL('../../../models/', import.meta.url));

describe('resolveModel', () => {
  it('takes a path as it is, absolute or relative', async () => {
    const dir = scratch();
    expect(await resolveModel(dir)).toBe(dir);
    expect(await resolveModel(`./${relative(process.cwd(), dir)}`)).toBe(dir);
    mkdirSync(join(dir, 'a b'));
    expect(await resolveModel(join(dir, 'a b', '..', 'a b'))).toBe(join(dir, 'a b'));
  });

  it('finds packaged models by name, and a folder of the working directory after them', async () => {
    for (const name of readdirSync(packaged, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    )) {
      expect(await resolveModel(name)).toBe(join(packaged, name));
    }
    expect(await resolveModel('test')).toBe(resolve('test'));
  });

  it.each(['emoji-129', './nowhere', '/nowhere/at/all', '', 'a\0b', 'package.json'])(
    'says what was tried for %j',
    async (name) => {
      await expect(resolveModel(name)).rejects.toMatchObject({
        code: 'MODEL_NOT_FOUND',
        message: expect.stringContaining(`No model ${JSON.stringify(name)}: tried "`),
        hint: expect.stringContaining('path of a model directory'),
      });
    },
  );

  it('looks for a name in the package first, and for a path nowhere else than where it says', async () => {
    const tried = async (name: string) => (await resolveModel(name).catch((error: Error) => error)) as Error;
    expect((await tried('nowhere')).message).toContain(
      `tried ${JSON.stringify(join(packaged, 'nowhere'))} and ${JSON.stringify(resolve('nowhere'))}.`,
    );
    for (const path of ['./nowhere', '.nowhere', 'no/where'])
      expect((await tried(path)).message).toContain(`tried ${JSON.stringify(resolve(path))}.`);
    expect((await tried('nowhere.')).message).toContain(' and ');
  });

  it('names the model that may have been meant, and all that there are', async () => {
    const names = (await packagedModels()).map(({ name }) => name);
    const rest = `Packaged: ${names.join(', ')}; or give the path of a model directory, or OWNER/NAME of the Hub.`;
    await expect(resolveModel('emoji-129')).rejects.toMatchObject({ hint: `Did you mean emoji-128? ${rest}` });
    await expect(resolveModel('unlike/every-other-name-here')).rejects.toMatchObject({ hint: rest });
  });

  it('takes the default model where none is named', async () => {
    const outcome = await resolveModel().catch((error: Error) => error.message);
    expect(outcome).toContain(join(packaged, DEFAULT_MODEL));
  });
});

it('the models of the package are its folders, with their paths', async () => {
  const folders = readdirSync(packaged, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const expected = folders.map(({ name }) => ({ name, dir: join(packaged, name) }));
  expect(await packagedModels()).toEqual(expected.sort((a, b) => (a.name < b.name ? -1 : 1)));
});
