import type { DataSource } from 'typeorm';
import type { HomePaths } from '#config/home.js';
import type { CuckooSettings } from '#config/cuckoo-settings.js';
import { Bucket } from '#storage/artifacts/bucket.js';
import { LocalArtifacts } from '#storage/artifacts/local.js';
import { runStates } from '#storage/artifacts/run-states.js';
import { S3Artifacts } from '#storage/artifacts/s3.js';
import type { ArtifactStore } from '#storage/artifacts/store.js';

const MEBIBYTE = 1024 * 1024;

/** The store that `[artifacts]` names. `home` is that of `withArtifacts`. Dispose it: it may have connections. */
export function openArtifacts(
  { location, endpoint, region, access_key, secret_key, cache_size }: CuckooSettings['artifacts'],
  home: HomePaths,
  db: DataSource,
): ArtifactStore {
  const places = { analyses: home.analyses, binaries: home.binaries };
  const states = runStates(db);
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)(.*)$/.exec(location) ?? [];
  if (bucket === undefined) return new LocalArtifacts(places, states);
  // Its next major version will need a newer Node: nothing that whoever runs this one could do about.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const options = {
    bucket,
    prefix: prefix.split('/').filter(Boolean).join('/'),
    endpoint,
    region,
    accessKey: access_key,
    secretKey: secret_key,
  };
  return new S3Artifacts({
    bucket: new Bucket(options),
    places,
    states,
    cacheBytes: cache_size * MEBIBYTE,
  });
}
