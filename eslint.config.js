import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import ts from 'typescript-eslint';

/** The module map: each folder and the libs it may import. Anything not listed is forbidden. */
const MAY_IMPORT = {
  'libs/domain': [],
  'libs/formats': ['domain'],
  'libs/archives': ['domain'],
  'libs/config': ['domain'],
  'libs/storage': ['domain'],
  'libs/queue': ['domain'],
  'libs/ssh': [],
  'libs/libvirt': ['ssh'],
  'libs/machinery': ['domain', 'libvirt', 'ssh'],
  'libs/guest': ['domain'],
  'libs/nodes': ['domain', 'formats'],
  'libs/distribution': ['domain', 'storage'],
  'libs/network': ['domain', 'formats'],
  'libs/resultserver': ['domain', 'formats'],
  'libs/processing': ['domain', 'formats'],
  'libs/signatures': ['domain'],
  'libs/reporting': ['domain'],
  'analyzer-guest': [],
};

const only = (libs) => `^#(?!(?:${libs.join('|') || '$'})/)`;

const boundaries = Object.entries(MAY_IMPORT).map(([folder, libs]) => ({
  files: [`${folder}/**/*.ts`],
  ignores: ['**/*.test.ts', '**/*.module.ts'],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: only([...libs, folder.replace('libs/', '')]),
            message: `${folder} may import only: ${libs.join(', ') || 'nothing'}.`,
          },
          {
            regex: '^(\\.\\./)+(apps|libs|analyzer-guest)/',
            message: 'Cross a lib border by its #name, never by ../.',
          },
          { regex: '^@nestjs/', message: 'Nest stays in apps/ and in *.module.ts.' },
        ],
      },
    ],
  },
}));

/** Apps talk through queues and the database, never through imports. `http` is what those with a REST API share. */
const apps = ['api', 'worker', 'cli', 'distributed', 'rooter', 'http'].map((app) => ({
  files: [`apps/${app}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: '^(\\.\\./)+(api|worker|cli|distributed|rooter|apps)/',
            message: 'Apps never import each other.',
          },
        ],
      },
    ],
  },
}));

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'analyzer-guest/image/home/']),
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true } } },
  {
    files: ['**/*.ts'],
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: false },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Fakes and adapters satisfy Promise-returning interfaces without awaiting anything.
      '@typescript-eslint/require-await': 'off',
      // Rejects object literals where Nest declares its options as a class.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file that defines it.' },
      ],
      'max-lines': ['warn', { max: 300, skipBlankLines: true, skipComments: true }],
    },
  },
  ...boundaries,
  ...apps,
  { files: ['**/*.js'], extends: [ts.configs.disableTypeChecked] },
);
