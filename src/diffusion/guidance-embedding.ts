const f32 = Math.fround;

/**
 * The guidance scale as models take it that guidance was distilled into: sines, then cosines, of 1000 (w - 1) at frequencies from 1
 * down to 1/10000, as diffusers' `get_guidance_scale_embedding` (the condition w of Luo et al. 2023, Latent Consistency Models,
 * section 4.2).
 *
 * @param width of the embedding; an odd one ends with a zero
 * @returns length `width`
 */
export function guidanceEmbedding(guidanceScale: number, width: number): Float32Array {
  const half = Math.floor(width / 2);
  const angle = f32(f32(guidanceScale - 1) * 1000);
  const decay = f32(Math.log(10_000)) / Math.max(half - 1, 1);
  const embedding = new Float32Array(width);
  for (let i = 0; i < half; i++) {
    const value = f32(angle * f32(Math.exp(f32(i * -f32(decay)))));
    embedding[i] = Math.sin(value);
    embedding[half + i] = Math.cos(value);
  }
  return embedding;
}
