import { describe, expect, it } from 'vitest';
import { below, formatS3Address, isS3Address, parseS3Address } from '../../../src/aws/s3-address.js';

const CONTROL = String.fromCharCode(7);

describe('an address in S3', () => {
  it.each([
    ['s3://', 'names no bucket'],
    ['s3:///key', 'names no bucket'],
    ['s3://bucket', 'has no prefix after the bucket'],
    ['s3://bucket/', 'has no prefix after the bucket'],
    ['s3://Bucket_1/key', '"Bucket_1" is no name of a bucket'],
    ['s3://b/key', '"b" is no name of a bucket'],
    ['s3://bucket/a//b', 'expected a prefix of parts with names'],
    ['s3://bucket/../b', 'expected a prefix of parts with names'],
    [`s3://bucket/a${CONTROL}b`, 'expected a prefix of parts with names'],
    [`s3://bucket/${'a'.repeat(801)}`, 'at most 800 characters'],
    ['S3://bucket/b', 'expected s3://BUCKET/PREFIX, received'],
    ['bucket/b', 'expected s3://BUCKET/PREFIX, received "bucket/b"'],
  ])('%j is refused: %s', (text, problem) => {
    expect(() => parseS3Address(text, 'data.remote')).toThrow(problem);
  });

  it('is refused with the option that it was given for', () => {
    expect(() => parseS3Address('s3://bucket', 'data.remote')).toThrow(
      expect.objectContaining({
        code: 'OPTION_INVALID',
        issues: [
          expect.objectContaining({
            option: 'data.remote',
            expected: 's3://BUCKET/PREFIX',
            received: '"s3://bucket"',
          }),
        ],
      }),
    );
  });

  it.each([
    ['s3://my.bucket-1/a/b', 'a/b'],
    ['s3://my.bucket-1/a/b/', 'a/b'],
    ['s3://my.bucket-1/a/b///', 'a/b'],
    ['s3://my.bucket-1/a...b/.c', 'a...b/.c'],
    [`s3://my.bucket-1/${'a'.repeat(800)}`, 'a'.repeat(800)],
  ])('%s is a bucket and a key', (text, key) => {
    expect(parseS3Address(text, 'data.remote')).toEqual({ bucket: 'my.bucket-1', key });
  });

  it('is told from a folder by how it begins, in capitals too', () => {
    expect(['s3://bucket/a', 'S3://bucket/a', 's3:/bucket/a'].map(isS3Address)).toEqual([true, true, true]);
    expect(['data/s3://', 's3/data', '/data', ''].map(isS3Address)).toEqual([false, false, false, false]);
  });

  it('is written as it was read, with what is below it', () => {
    const address = parseS3Address('s3://bucket/a/b/', 'data.remote');
    expect(formatS3Address(address)).toBe('s3://bucket/a/b');
    expect(below(address, 'c/d')).toEqual({ bucket: 'bucket', key: 'a/b/c/d' });
  });
});
