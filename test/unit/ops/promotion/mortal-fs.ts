import { AsyncLocalStorage } from 'node:async_hooks';

/** How many more writes a process makes before it is killed: from then on it changes nothing, cleans up nothing either. */
export const lives = new AsyncLocalStorage<{ writes: number }>();

/** Counts a write of the process that asks; true where it is dead. */
export function dies(): boolean {
  const process = lives.getStore();
  return process !== undefined && process.writes-- <= 0;
}

export const killed = () => new Error('killed');

type Promises = typeof import('node:fs/promises');

/** `node:fs/promises` for processes that end at a write, perhaps in the middle of it. */
export function mortalFs(real: Promises): Promises {
  const mortal =
    (work: (...args: never[]) => Promise<unknown>) =>
    async (...args: never[]) => {
      if (dies()) throw killed();
      return work(...args);
    };
  const names = ['writeFile', 'rename', 'rm', 'mkdir', 'link', 'utimes'] as const;
  const open = async (...args: Parameters<typeof real.open>) => {
    if (args[1] !== undefined && args[1] !== 'r' && dies()) throw killed();
    const file = await real.open(...args);
    const write = file.writeFile.bind(file);
    file.writeFile = async (data) => {
      if (!dies()) return write(data);
      // As much as was written when it ended.
      await write((data as Buffer).subarray(0, (data as Buffer).length / 2));
      throw killed();
    };
    return file;
  };
  return { ...real, ...Object.fromEntries(names.map((name) => [name, mortal(real[name] as never)])), open };
}
