import { expect, test } from '@jest/globals';
import { METHOD_METADATA } from '@nestjs/common/constants.js';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
import { ApiModule } from '../api.module.js';
import type { Context } from '../context.js';
import { RouteTable } from '../../http/route-table.js';

test('every handler says which scope it needs (@Needs); one that does not needs admin', () => {
  const handlers = (ApiModule.with({} as Context, new RouteTable()).controllers ?? []).flatMap((controller) =>
    Object.entries(Object.getOwnPropertyDescriptors(controller.prototype as object))
      .filter(
        ([, { value }]) =>
          typeof value === 'function' && Reflect.hasMetadata(METHOD_METADATA, value as object),
      )
      .map(([name, { value }]) => {
        const config: unknown = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, value as object);
        return { handler: `${controller.name}.${name}`, config };
      }),
  );
  expect(handlers.length).toBeGreaterThan(10);
  const silent = handlers.filter(
    ({ config }) => (config as { needs?: unknown } | undefined)?.needs === undefined,
  );
  expect(silent.map(({ handler }) => handler)).toEqual([]);
});
