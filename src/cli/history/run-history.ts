import { join } from 'node:path';
import { readParams } from '../../ops/params/read.js';
import type { HistoryEntry } from '../../ops/promotion/history.js';
import { readSharedState } from '../../ops/promotion/shared/join.js';
import { readState } from '../../ops/promotion/state.js';
import { printable } from '../../printable.js';
import type { CommandInput } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { columns, note, printJson } from '../output.js';
import { projectFolder } from '../project-folder.js';
import { withSharedPromotion } from '../shared-promotion.js';

const WORDS = { promoted: 'promoted', 'rolled-back': 'rolled back', found: 'found' } as const;

/** The handler of `t2i history`. */
export async function runHistory({ flags }: CommandInput, io: Io): Promise<number> {
  const project = projectFolder(io);
  const { params } = await readParams(project);
  const folder = join(project, params.log_trained_model.diffuser_dir);
  const place = { project, folder };
  const here = await readState(place);
  const { promoted, history } = await withSharedPromotion(project, params.log_trained_model, io, (shared) =>
    shared === undefined ? Promise.resolve(here) : readSharedState(place, shared, io.signal),
  );
  const current = promoted?.version ?? null;
  if (flags.json === true) printJson(io, { current, history: history.map(describe) });
  else if (history.length === 0) io.stdout.write('nothing was promoted yet\n');
  else {
    const head = ['version', 'when', 'what', 'run', 'loss', 'step', 'why'];
    io.stdout.write(
      columns(
        head,
        history.map((entry) => row(entry, current)),
      ),
    );
  }
  if (promoted !== null && here.promoted?.version !== promoted.version)
    note(
      io,
      `${here.promoted === null ? 'nothing' : `version ${here.promoted.version}`} is promoted here: t2i promote`,
    );
  return EXIT.ok;
}

function describe({ time, action, from, model }: HistoryEntry) {
  const { version, run_name, best_val_diffuser_loss: loss, best_step, forced } = model;
  return { version, time, action, run: run_name, loss, step: best_step, forced, from };
}

function row({ time, action, from, model }: HistoryEntry, current: number | null): string[] {
  const { version, run_name, best_val_diffuser_loss: loss, best_step, forced } = model;
  const why = action === 'promoted' ? (forced ?? '') : `in place of ${from ?? 'none'}`;
  return [
    `${version}${version === current ? ' *' : ''}`,
    `${time.slice(0, 19).replace('T', ' ')} UTC`,
    WORDS[action],
    printable(run_name),
    loss === null ? 'no number' : `${loss}`,
    `${best_step}`,
    printable(why),
  ];
}
