/** Figures of `metrics.jsonl`, which the container prints as `name=value`. */
const FIGURES = ['train_diffuser_loss', 'val_diffuser_loss', 'grad_norm', 'lr', 'samples_per_second'] as const;

/** Also 1e-05, which a pattern of digits and a dot alone reads as 1. */
const NUMBER = '([-+]?[0-9]*\\.?[0-9]+(?:[eE][-+]?[0-9]+)?)';

/** What the service is to read from the log. */
export const METRIC_DEFINITIONS = FIGURES.map((Name) => ({ Name, Regex: `(?:^|\\s)${Name}=${NUMBER}` }));
