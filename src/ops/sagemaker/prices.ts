interface Machine {
  /** US dollars an hour; null where it was not collected. */
  readonly price: number | null;
  readonly gpus: number;
}

/** When the prices were collected, from public tables of on-demand prices for training in US East. */
const COLLECTED = '2026-11-26';

const MACHINES: Readonly<Record<string, Machine>> = {
  'ml.g4dn.xlarge': { price: 0.7364, gpus: 1 },
  'ml.g4dn.2xlarge': { price: 0.94, gpus: 1 },
  'ml.g4dn.4xlarge': { price: 1.505, gpus: 1 },
  'ml.g4dn.8xlarge': { price: 2.72, gpus: 1 },
  'ml.g4dn.12xlarge': { price: 4.89, gpus: 4 },
  'ml.g4dn.16xlarge': { price: 5.44, gpus: 1 },
  'ml.g5.xlarge': { price: 1.4084, gpus: 1 },
  'ml.g5.2xlarge': { price: 1.515, gpus: 1 },
  'ml.g5.12xlarge': { price: 7.09, gpus: 4 },
  'ml.g5.24xlarge': { price: 10.18, gpus: 4 },
  'ml.g5.48xlarge': { price: 20.36, gpus: 8 },
  'ml.g6.2xlarge': { price: 1.222, gpus: 1 },
  'ml.g6.12xlarge': { price: 5.752, gpus: 4 },
  'ml.g6.24xlarge': { price: 8.344, gpus: 4 },
  'ml.p3.2xlarge': { price: 3.825, gpus: 1 },
  'ml.p3.8xlarge': { price: 14.688, gpus: 4 },
  'ml.p3.16xlarge': { price: 28.152, gpus: 8 },
  // Of these the GPUs are counted alone, so that a batch which they cannot share is refused before it is paid for.
  'ml.g5.4xlarge': { price: null, gpus: 1 },
  'ml.g5.8xlarge': { price: null, gpus: 1 },
  'ml.g5.16xlarge': { price: null, gpus: 1 },
  'ml.g6.xlarge': { price: null, gpus: 1 },
  'ml.g6.4xlarge': { price: null, gpus: 1 },
  'ml.g6.8xlarge': { price: null, gpus: 1 },
  'ml.g6.16xlarge': { price: null, gpus: 1 },
  'ml.g6.48xlarge': { price: null, gpus: 8 },
  'ml.g6e.xlarge': { price: null, gpus: 1 },
  'ml.g6e.2xlarge': { price: null, gpus: 1 },
  'ml.g6e.4xlarge': { price: null, gpus: 1 },
  'ml.g6e.8xlarge': { price: null, gpus: 1 },
  'ml.g6e.16xlarge': { price: null, gpus: 1 },
  'ml.g6e.12xlarge': { price: null, gpus: 4 },
  'ml.g6e.24xlarge': { price: null, gpus: 4 },
  'ml.g6e.48xlarge': { price: null, gpus: 8 },
  'ml.p3dn.24xlarge': { price: null, gpus: 8 },
  'ml.p4d.24xlarge': { price: null, gpus: 8 },
  'ml.p4de.24xlarge': { price: null, gpus: 8 },
  'ml.p5.48xlarge': { price: null, gpus: 8 },
  'ml.p5e.48xlarge': { price: null, gpus: 8 },
  'ml.p5en.48xlarge': { price: null, gpus: 8 },
  'ml.p6-b200.48xlarge': { price: null, gpus: 8 },
};

/** GPUs of a kind of machine; undefined where it is not in the table. */
export function gpusOf(type: string): number | undefined {
  return MACHINES[type]?.gpus;
}

export interface CostEstimate {
  /** US dollars, at most, before what spot instances save; null where the price is not known. */
  readonly at_most: number | null;
  readonly currency: 'USD';
  /** In words, with what it rests on. */
  readonly note: string;
}

/** What a job may cost at most: every machine for as long as it may run. Storage and transfer are not in it. */
export function estimateCost(type: string, count: number, seconds: number, spot: boolean): CostEstimate {
  const price = MACHINES[type]?.price ?? null;
  if (price === null)
    return { at_most: null, currency: 'USD', note: `no estimate: the price of ${type} is not in the table` };
  const hours = seconds / 3600;
  const saves = spot ? '; spot instances cost less, and what they saved is told at the end' : '';
  return {
    at_most: Math.round(price * count * hours * 100) / 100,
    currency: 'USD',
    note: `an estimate: ${count} x ${type} for ${Number(hours.toFixed(2))} h at $${price} an hour, on demand in US East, as collected ${COLLECTED}; yours may differ${saves}`,
  };
}
