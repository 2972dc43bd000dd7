import { expect, test } from '@jest/globals';
import { nativeConnection } from './database.js';

test.each([
  ['sqlite:///dist.db', 'sqlite:///home/lab/dist.db'],
  ['sqlite:///db/dist.db', 'sqlite:///home/lab/db/dist.db'],
  ['sqlite:////var/lib/dist.db', 'sqlite:///var/lib/dist.db'],
  ['sqlite+pysqlite:////var/dist.db', 'sqlite:///var/dist.db'],
  ['postgresql://u:p@h/d', 'postgresql://u:p@h/d'],
  ['postgres://u:p@h:5433/d?sslmode=require', 'postgresql://u:p@h:5433/d?sslmode=require'],
  ['postgresql+psycopg2://u@/d?host=/run/postgresql', 'postgresql://u@/d?host=/run/postgresql'],
])('%s is understood as SQLAlchemy does', (given, native) => {
  expect(nativeConnection(given, '/home/lab')).toBe(native);
});

test.each([
  '',
  'dist.db',
  'sqlite://',
  'sqlite:///',
  'sqlite:///:memory:',
  'sqlite:///a?mode=ro',
  'mysql://u:p4ss@h/d',
])('%j is refused, with what is accepted and without its password', (given) => {
  const refused = () => nativeConnection(given, '/home/lab');
  expect(refused).toThrow('must be sqlite:///<file>, sqlite:////<file from the root on> or postgresql://…');
  expect(refused).toThrow(expect.not.stringContaining('p4ss'));
});
