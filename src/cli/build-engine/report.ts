import type { NetworkName } from '../../backends/backend.js';
import type { BuildPreview, EnsuredEngine, EnsuredEngines } from '../../backends/engines.js';
import { accuracyOf, profileOf } from '../engines/rows.js';
import type { Io } from '../io.js';
import { columns, note, printJson, warn } from '../output.js';
import { formatBytes, formatSeconds } from '../quantities.js';

/** What was built and what was found, a line for each network. */
export function printBuilt(
  model: string,
  { engines }: EnsuredEngines,
  seconds: (network: NetworkName) => number,
  json: boolean,
  io: Io,
): void {
  const all = Object.entries(engines) as [NetworkName, EnsuredEngine][];
  if (json) {
    const list = all.map(([network, { path, header, built, warnings, notes, log }]) => ({
      component: header.component,
      file: path,
      built,
      seconds: built ? seconds(network) : 0,
      header,
      warnings,
      notes,
      log,
    }));
    printJson(io, { model, engines: list });
    return;
  }
  const rows = all.map(([network, { path, header, built }]) => [
    header.component,
    built ? `built in ${formatSeconds(seconds(network))}` : 'found',
    header.precision,
    profileOf(header),
    accuracyOf(header),
    formatBytes(header.serialized.bytes),
    path,
  ]);
  io.stdout.write(columns(['network', 'engine', 'precision', 'profile', 'accuracy', 'size', 'file'], rows));
  for (const [, { warnings }] of all) for (const text of warnings) warn(io, text);
  for (const [, { notes }] of all) for (const text of notes) note(io, text);
}

/** What a build would do. */
export function printPreview(preview: BuildPreview, json: boolean, io: Io): void {
  if (json) {
    const { engines, ...rest } = preview;
    printJson(io, { ...rest, engines: engines.map(({ path, ...engine }) => ({ ...engine, file: path })) });
    return;
  }
  const rows = preview.engines.map((engine) => [
    engine.component,
    engine.present ? 'found' : `would be built from ${engine.from}`,
    [engine.precision, ...engine.otherwise].join(', else '),
    profileOf(engine),
    engine.present ? '' : formatBytes(engine.memory.hostBytes + engine.memory.deviceBytes),
    engine.path,
  ]);
  io.stdout.write(columns(['network', 'engine', 'precision', 'profile', 'memory', 'file'], rows));
  for (const { present, warning } of preview.engines) if (!present && warning !== null) warn(io, warning);
  for (const { notes } of preview.engines) for (const text of notes) note(io, text);
}
