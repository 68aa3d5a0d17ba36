import { TRAINER } from '../../../trainer-folder.js';

/**
 * What an image of AWS starts where a job names no entry point: its training toolkit, here as much of it as the trainer needs
 * (trainer/sagemaker/toolkit_image.py).
 */
export function toolkitCommand(python: string): string[] {
  return [python, `${TRAINER}sagemaker/toolkit_image.py`];
}
