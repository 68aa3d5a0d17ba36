/** What other programs of this field call our options and commands: words without dashes, and our names, the first that fits. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  batchsize: ['n', 'count'],
  build: ['build-engine'],
  cache: ['engines'],
  cfg: ['guidanceScale', 'guidance'],
  cfgscale: ['guidanceScale', 'guidance'],
  check: ['verify', 'doctor'],
  checkpoint: ['model'],
  ckpt: ['model'],
  compile: ['build-engine'],
  create: ['generate'],
  cuda: ['device'],
  dest: ['output'],
  dimensions: ['size', 'width'],
  dir: ['output'],
  draw: ['generate'],
  file: ['output'],
  gpu: ['device'],
  h: ['height'],
  imagine: ['generate'],
  images: ['n', 'count'],
  info: ['inspect', 'doctor'],
  iterations: ['steps'],
  make: ['generate'],
  neg: ['negativePrompt', 'negative'],
  number: ['n', 'count'],
  numimages: ['n', 'count'],
  numimagesperprompt: ['n', 'count'],
  out: ['output', 'out'],
  provider: ['backend'],
  resolution: ['size', 'width'],
  samples: ['n', 'count'],
  scale: ['guidanceScale', 'guidance'],
  scheduler: ['sampler'],
  show: ['inspect'],
  text: ['prompt'],
  txt2img: ['generate'],
  w: ['width'],
};

const plain = (name: string) => name.toLowerCase().replace(/[-_ ]/g, '');

/**
 * The name that was most likely meant, or null where none is close: what another program calls it, one that begins with it or
 * is part of it, or one that differs by a slip or two. Case, dashes and underscores do not count.
 */
export function nearestName(name: string, names: readonly string[]): string | null {
  const typed = plain(name.slice(0, 60));
  const synonym = Object.hasOwn(SYNONYMS, typed) && SYNONYMS[typed]?.find((each) => names.includes(each));
  if (synonym) return synonym;
  const scored = names.map((candidate) => ({ candidate, distance: distanceOf(typed, plain(candidate)) }));
  const [best] = scored.sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance < 1 ? best.candidate : null;
}

/** 0 for the same name, up to 1 and beyond for one that has nothing to do with it. */
function distanceOf(typed: string, candidate: string): number {
  if (typed === candidate) return 0;
  if (typed.length >= 2 && candidate.startsWith(typed)) return 0.1;
  const slips = editDistance(typed, candidate);
  const longest = Math.max(typed.length, candidate.length);
  if (slips === 1 && longest >= 4) return 0.15;
  // The longer it is, the less it is there by chance.
  if (candidate.length >= 4 && typed.includes(candidate)) return 0.3 - candidate.length / 1000;
  return slips <= 3 && slips / longest < 0.5 ? 0.3 + slips / longest : 1;
}

/** The fewest insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (before[j - 2] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}

/** `; did you mean "steps"?`, or the names that there are where none is close. */
export function didYouMean(name: string, names: readonly string[]): string {
  const near = nearestName(name, names);
  return near === null ? `; expected one of ${names.join(', ')}` : `; did you mean "${near}"?`;
}
