// tsc copies no data files: rules and templates go into dist/ beside the code that reads them.
import { cp } from 'node:fs/promises';

const ASSETS = ['libs/signatures/rules', 'libs/reporting/formats/assets', 'apps/api/openapi/assets'];

for (const folder of ASSETS) {
  await cp(folder, `dist/${folder}`, { recursive: true, force: true });
}
