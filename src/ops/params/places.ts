/** Where a training runs that does not run here. */
export const AWAY = ['sagemaker', 'local-sagemaker'] as const;
export type Away = (typeof AWAY)[number];
export const PLACES = ['here', ...AWAY] as const;
export type Place = (typeof PLACES)[number];
