import { roundHalfEven } from '../../diffusion/timesteps.js';
import { T2IError } from '../../errors.js';
import type { ModelDescription } from '../../model/description.js';
import type { Raster } from '../backend.js';
import type { Network } from './network.js';
import { Port, type Runtime } from './port.js';

/** Clean latents in, bytes of an image out. */
export class VaeDecoder {
  constructor(
    private readonly runtime: Runtime,
    private readonly model: ModelDescription,
    private readonly network: Network,
  ) {}

  /**
   * @param latents [channels, height, width] as the denoiser knows them, not yet divided by the scaling factor
   * @param height of the latents
   * @param width of the latents
   */
  async decode(latents: Float32Array, height: number, width: number): Promise<Raster> {
    const { latentChannels, vaeFactor, vaeDecoder } = this.model;
    const batch = vaeDecoder.latents.shape[0] ?? 1;
    const [pixelHeight, pixelWidth] = [height * vaeFactor, width * vaeFactor];
    const input = new Port(this.runtime, vaeDecoder.latents, [batch, latentChannels, height, width]);
    const output = new Port(this.runtime, vaeDecoder.image, [batch, 3, pixelHeight, pixelWidth]);
    const scale = Math.fround(this.model.scalingFactor);
    const shift = Math.fround(this.model.shiftFactor);
    input.fill(latents.map((value) => Math.fround(value / scale) + shift));
    await this.network.run({ [vaeDecoder.latents.name]: input }, { [vaeDecoder.image.name]: output });
    return toRaster(output.read(0, 3 * pixelHeight * pixelWidth), pixelWidth, pixelHeight);
  }
}

/**
 * Turns the decoder's image into bytes as diffusers' VaeImageProcessor does: clamp(x / 2 + 0.5, 0, 1), then
 * round(255 * y), ties to even, every operation in float32.
 *
 * @param image [3, height, width], -1 to 1
 * @throws T2IError BACKEND_FAILED where the image holds a value that is no number
 */
export function toRaster(image: Float32Array, width: number, height: number): Raster {
  const pixels = width * height;
  const rgb = new Uint8Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    for (let pixel = 0; pixel < pixels; pixel++) {
      const value = image[channel * pixels + pixel] as number;
      if (Number.isNaN(value)) throw notANumber();
      const unit = Math.min(1, Math.max(0, Math.fround(Math.fround(value / 2) + 0.5)));
      rgb[3 * pixel + channel] = roundHalfEven(Math.fround(unit * 255));
    }
  }
  return { rgb, width, height };
}

function notANumber(): T2IError {
  return new T2IError('BACKEND_FAILED', 'The model computed NaN values.', {
    hint: 'The weights are damaged or overflow; run the model in its original framework to compare.',
  });
}
