import type { DataSource } from 'typeorm';
import type { HomePaths } from '#config/home.js';
import type { CuckooSettings } from '#config/cuckoo-settings.js';
import { Bucket } from '#storage/artifacts/bucket.js';
import { LocalArtifacts } from '#storage/artifacts/local.js';
import { runStates } from '#storage/artifacts/run-states.js';
import { S3Artifacts } from '#storage/artifacts/s3.js';
import type { ArtifactStore } from '#storage/artifacts/store.js';

const MEBIBYTE = 1024 * 1024;

type Artifacts = CuckooSettings['artifacts'];

/** The store that `[artifacts]` names. `home` is that of `withArtifacts`. Dispose it: it may have connections. */
export function openArtifacts(settings: Artifacts, home: HomePaths, db: DataSource): ArtifactStore {
  const places = { analyses: home.analyses, binaries: home.binaries };
  const states = runStates(db);
  const bucket = openBucket(settings);
  if (bucket === null) return new LocalArtifacts(places, states);
  return new S3Artifacts({ bucket, places, states, cacheBytes: settings.cache_size * MEBIBYTE });
}

/** The bucket of an object store that `[artifacts]` names; null when it names a folder. Close it. */
export function openBucket(settings: Artifacts): Bucket | null {
  const { location, endpoint, region, access_key, secret_key } = settings;
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)(.*)$/.exec(location) ?? [];
  if (bucket === undefined) return null;
  // Its next major version will need a newer Node: nothing that whoever runs this one could do about.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return new Bucket({
    bucket,
    prefix: prefix.split('/').filter(Boolean).join('/'),
    endpoint,
    region,
    accessKey: access_key,
    secretKey: secret_key,
  });
}
