import { type Infotext, readInfotext } from './infotext.js';
import { isJpeg, isWebp, type LossyTexts, readJpegTexts, readWebpTexts } from './lossy-texts.js';
import { isPng, readPngTexts } from './png-texts.js';
import type { Settings } from './settings.js';

/** Larger files are not read. */
const MAX_FILE = 64 << 20;

/** The settings that an image file carries; what it does not say is left out. */
export type FoundSettings = { -readonly [K in keyof Settings]?: Settings[K] };

/**
 * The settings in a PNG, JPEG or WebP: of our receipt, else of the `parameters` text of other programs; null where there are neither.
 * The file is not sent anywhere.
 */
export async function settingsOfImage(file: Blob): Promise<FoundSettings | null> {
  if (file.size > MAX_FILE) return null;
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { receipt, parameters } = await textsOf(bytes);
  const own = receipt === null ? null : fromReceipt(receipt);
  return own ?? (parameters === null ? null : fromInfotext(readInfotext(parameters)));
}

async function textsOf(bytes: Uint8Array): Promise<{ receipt: string | null; parameters: string | null }> {
  if (isPng(bytes)) {
    const texts = await readPngTexts(bytes);
    const receipt = texts.get('t2i-receipt') ?? receiptIn([texts.get('XML:com.adobe.xmp') ?? '']);
    return { receipt, parameters: texts.get('parameters') ?? null };
  }
  const lossy: LossyTexts | null = isJpeg(bytes) ? readJpegTexts(bytes) : isWebp(bytes) ? readWebpTexts(bytes) : null;
  return { receipt: receiptIn(lossy?.xmp ?? []), parameters: lossy?.comment ?? null };
}

function receiptIn(packets: readonly string[]): string | null {
  const [, receipt] = /<t2i:receipt>([^<]*)<\/t2i:receipt>/.exec(packets.join('')) ?? [];
  return receipt?.replace(/&(?:quot|#34);/g, '"') ?? null;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** Of a receipt, each value only where it has the right type: the file may come from anywhere. */
function fromReceipt(json: string): FoundSettings | null {
  let receipt: Record<string, unknown>;
  try {
    receipt = JSON.parse(json);
  } catch {
    return null;
  }
  if (!isText(receipt?.prompt)) return null;
  const { negativePrompt, width, height, guidanceScale, seed } = receipt;
  const plan = Object(receipt.plan) as Record<string, unknown>;
  const model = Object(receipt.model) as Record<string, unknown>;
  return {
    prompt: receipt.prompt,
    negativePrompt: isText(negativePrompt) ? negativePrompt : '',
    ...(isNumber(width) && { width }),
    ...(isNumber(height) && { height }),
    ...(isNumber(guidanceScale) && { guidanceScale }),
    ...(isNumber(seed) && { seed }),
    ...(isNumber(plan.steps) && { steps: plan.steps }),
    ...(isText(plan.sampler) && { sampler: plan.sampler }),
    sigmas: plan.sigmas === 'karras' || plan.sigmas === 'default' ? plan.sigmas : null,
    eta: isNumber(plan.eta) ? plan.eta : null,
    ...(isText(model.name) && { model: model.name }),
  };
}

function fromInfotext({ prompt, negativePrompt, settings }: Infotext): FoundSettings {
  const number = (name: string) => {
    const value = Number.parseFloat(settings.get(name) ?? '');
    return Number.isFinite(value) ? value : undefined;
  };
  const [, width, height] = /^(\d+)x(\d+)$/.exec(settings.get('Size') ?? '') ?? [];
  const label = settings.get('Sampler');
  const [steps, guidanceScale, seed] = [number('Steps'), number('CFG scale'), number('Seed')];
  const model = settings.get('Model');
  // Older programs name the spacing with the sampler.
  const spacing = settings.get('Schedule type') ?? (label?.endsWith(' Karras') ? 'Karras' : '');
  return {
    prompt,
    negativePrompt,
    ...(steps !== undefined && { steps }),
    ...(guidanceScale !== undefined && { guidanceScale }),
    ...(seed !== undefined && { seed }),
    ...(width !== undefined && height !== undefined && { width: Number(width), height: Number(height) }),
    ...(label !== undefined && { sampler: samplerName(label) }),
    sigmas: spacing === 'Karras' ? 'karras' : spacing === 'Uniform' ? 'default' : null,
    eta: number('Eta DDIM') ?? null,
    ...(model !== undefined && { model }),
  };
}

/** Our name of what other programs call "DPM++ 2M Karras" or "Euler a". */
function samplerName(label: string): string {
  return label
    .replace(/ Karras$/, '')
    .toLowerCase()
    .replaceAll('+', 'p')
    .replaceAll(' ', '-');
}
