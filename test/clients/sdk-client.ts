/** The client of @aws-sdk as its users make it. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { ACCESS_KEY, REGION, SECRET_KEY } from './scene.ts';

/** One attempt for each request, so that no fault hides behind a second one. */
export function sdkClient(endpoint: string, more: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint,
    region: REGION,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    ...more,
  });
}
