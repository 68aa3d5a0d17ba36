/** How a container is started; src/ops/sagemaker/plan.ts says what they are. */
export const CONTAINER_FORMATS = ['own', 'toolkit'] as const;
