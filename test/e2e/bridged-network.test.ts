import { afterAll, beforeAll, test } from '@jest/globals';
import { BridgeLab } from '../support/bridge/lab.js';
import type { SceneName } from '../support/bridge/scenes.js';

import { describe } from '@jest/globals';
describe('x', () => {
let lab: BridgeLab;
beforeAll(async () => {
  lab = await BridgeLab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

const names: SceneName[] = ['whole','filtered','cooked','wrong','killed','unplugged','full','limited','results','internet','uncaptured','refusals','nictrace'];
test.each(names)('%s', async (name) => {
  console.log(JSON.stringify(await lab.play(name), null, 1));
});

});