/** Where a training runs that does not run here. */
export const AWAY = ['sagemaker', 'local-sagemaker'] as const;
export const PLACES = ['here', ...AWAY] as const;
/** How a container is started; src/ops/sagemaker/plan.ts says what they are. */
export const CONTAINER_FORMATS = ['own', 'toolkit'] as const;
