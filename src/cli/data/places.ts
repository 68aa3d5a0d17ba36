/** Where the models of the data steps run. */
export const PLACES = ['here', 'ray'] as const;
