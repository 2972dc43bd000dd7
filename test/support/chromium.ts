import { access } from 'node:fs/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser'];

async function executable(): Promise<string> {
  for (const path of PATHS) {
    try {
      await access(path);
      return path;
    } catch {
      continue;
    }
  }
  throw new Error(`Chromium is missing (looked at ${PATHS.join(', ')}): run apt-get install -y chromium`);
}

/** A headless browser with a profile of its own, offline; both are gone when it is disposed of. */
export async function openChromium(): Promise<{ readonly context: BrowserContext } & AsyncDisposable> {
  const executablePath = await executable();
  const profile = await mkdtemp(join(tmpdir(), 'malkoha-chromium-'));
  const remove = () => rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  try {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath,
      headless: true,
      offline: true,
      viewport: { width: 1280, height: 900 },
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    return {
      context,
      async [Symbol.asyncDispose]() {
        await context.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
