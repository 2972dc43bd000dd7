import { expect, test } from '@jest/globals';
import { viewed } from './cape-shapes.js';

const task = { id: 3, status: 'pending', options: 'dist_mark=dist:0f' };
const viewOf = (part: object) => viewed.parse({ data: { ...task, ...part } });

test('of several marks among the options of a task the last one is ours', () => {
  expect(viewOf({}).mark).toBe('dist:0f');
  expect(viewOf({ options: 'dist_mark=dist:mine,a=b, dist_mark=dist:0f,c=d' }).mark).toBe('dist:0f');
  expect(viewOf({ options: `${'a=b,'.repeat(50_000)}dist_mark=dist:0f` }).mark).toBe('dist:0f');
  for (const options of [null, undefined, '', 'a=dist_mark', 'dist_marks=1'])
    expect(viewOf({ options }).mark).toBeNull();
});

test('a year that PostgreSQL does not have is no date', () => {
  expect(viewOf({ started_on: '0000-01-01 00:00:00' }).startedOn).toBeNull();
  expect(viewOf({ started_on: '2026-03-02 09:15:12' }).startedOn).toEqual(new Date('2026-03-02T09:15:12Z'));
});
