import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { T2IError } from '../../errors.js';
import { TRAINER } from '../../trainer-folder.js';

/**
 * The interpreter of the trainer's Python environment; nothing is installed for it.
 *
 * @throws T2IError BACKEND_UNAVAILABLE, which says what is missing
 */
export async function trainerPython(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('python3', [`${TRAINER}env.py`, '--installed']);
    return stdout.trim();
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
    const reason = code === 'ENOENT' ? 'there is no python3' : stderr?.trim() || message;
    throw new T2IError('BACKEND_UNAVAILABLE', `diffusers cannot run here: ${reason}`, {
      hint: `\`python3 ${TRAINER}env.py\` installs what the trainer needs (6 GB, once); --python names another interpreter that has torch and diffusers.`,
    });
  }
}
