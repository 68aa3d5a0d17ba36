import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { LAYERS } from '../../mutation/layers.mjs';

/** Of a pattern in which `*` stands for a part of a name and `**` for folders. */
const expression = (glob: string) =>
  new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll('*', '[^/]*').replaceAll('[^/]*[^/]*/', '(.*/)?')}$`);

const layersOf = (path: string) =>
  LAYERS.filter(({ mutate }) => {
    const fits = (glob: string) => expression(glob).test(path);
    const [without, within] = [
      mutate.filter((glob) => glob.startsWith('!')),
      mutate.filter((glob) => !glob.startsWith('!')),
    ];
    return within.some(fits) && !without.some((glob) => fits(glob.slice(1)));
  }).map(({ name }) => name);

/** What runs in a browser, and what drives a Python process: tests of those start them. */
const ELSEWHERE = /^src\/(server\/page\/browser|backends\/pytorch)\//;

it('every file of src/ is mutated in one layer, but for what runs where no mutant reaches', () => {
  const paths = readdirSync(new URL('../../../src', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `src/${path.replaceAll('\\', '/')}`);
  const odd = paths.filter((path) => !ELSEWHERE.test(path) && layersOf(path).length !== 1);
  expect(odd.sort()).toEqual([
    'src/backends/process/watchdog.ts',
    'src/backends/tensorrt/noise-child.ts',
    'src/bench/backend/first-image-child.ts',
    'src/bench/backend/first-image.ts',
    'src/bench/diffusers/diffusers-subjects.ts',
    'src/bench/diffusers/peer.ts',
    'src/ops/sagemaker/local/channels.ts',
    'src/ops/sagemaker/local/course.ts',
    'src/ops/sagemaker/local/faults.ts',
    'src/ops/sagemaker/local/host.ts',
    'src/ops/sagemaker/local/output.ts',
    'src/ops/sagemaker/local/server.ts',
    'src/server/admin/admin-child.ts',
  ]);
});
