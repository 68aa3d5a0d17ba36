import type { Issue } from '../../errors.js';

/** A container of PyTorch that AWS makes for SageMaker. */
interface Image {
  /** Of PyTorch. */
  readonly version: string;
  readonly python: string;
  readonly repository: string;
  readonly tag: string;
  /** After this day AWS mends it no more. */
  readonly supportedUntil: string;
}

/** The one list of container images (github.com/aws/deep-learning-containers, docs/src/data, read 2026-11-26); newest first. */
export const IMAGES: readonly Image[] = [
  image('2.13', 'py312', 'pytorch', '2.13-cu133-amzn2023-sagemaker', '2027-07-20'),
  image('2.12', 'py312', 'pytorch', '2.12-cu130-amzn2023-sagemaker', '2027-07-02'),
  image('2.11', 'py312', 'pytorch', '2.11-cu130-amzn2023-sagemaker', '2027-04-30'),
  image('2.10', 'py313', 'pytorch-training', '2.10.0-gpu-py313-cu130-ubuntu22.04-sagemaker', '2027-01-21'),
  image('2.9', 'py312', 'pytorch-training', '2.9.0-gpu-py312-cu130-ubuntu22.04-sagemaker', '2026-10-15'),
  image('2.8', 'py312', 'pytorch-training', '2.8.0-gpu-py312-cu129-ubuntu22.04-sagemaker', '2026-08-06'),
  image('2.7', 'py312', 'pytorch-training', '2.7.1-gpu-py312-cu128-ubuntu22.04-sagemaker', '2026-04-23'),
  image('2.6', 'py312', 'pytorch-training', '2.6.0-gpu-py312-cu126-ubuntu22.04-sagemaker', '2026-01-29'),
];

/** AWS's account for them in most regions; elsewhere `pytorch_estimator.image_uri` names the image. */
const ACCOUNT = '763104351884';

function image(version: string, python: string, repository: string, tag: string, supportedUntil: string): Image {
  return { version, python, repository, tag, supportedUntil };
}

export interface ChosenImage {
  readonly uri: string;
  readonly issues: readonly Issue[];
  readonly warnings: readonly string[];
}

/**
 * The image of a version of PyTorch.
 *
 * @param today the day, as 2026-11-26
 */
export function chooseImage(version: string, python: string, region: string, today: string): ChosenImage {
  const found = IMAGES.find((each) => version === each.version || version.startsWith(`${each.version}.`));
  if (found === undefined) {
    const expected = `one of ${IMAGES.map((each) => each.version).join(', ')}`;
    return {
      uri: '',
      issues: [{ option: 'pytorch_estimator.framework_version', expected, received: version }],
      warnings: [],
    };
  }
  const issues =
    found.python === python
      ? []
      : [
          {
            option: 'pytorch_estimator.py_version',
            expected: `${found.python}, with PyTorch ${found.version}`,
            received: python,
          },
        ];
  const ended = found.supportedUntil < today;
  return {
    uri: `${ACCOUNT}.dkr.ecr.${region}.amazonaws.com/${found.repository}:${found.tag}`,
    issues,
    warnings: ended
      ? [
          `pytorch_estimator.framework_version: AWS mends the container of PyTorch ${found.version} no more since ${found.supportedUntil}`,
        ]
      : [],
  };
}
