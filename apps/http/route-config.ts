import { RouteConfig } from '@nestjs/platform-fastify';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
import type { FastifyContextConfig } from 'fastify';

/** Nest's own decorator keeps only what it is told last; this adds to what other decorators of the handler said. */
export function addRouteConfig(part: FastifyContextConfig): MethodDecorator {
  return (target, key, descriptor) => {
    const before: unknown = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, descriptor.value as object);
    return RouteConfig({ ...(before as FastifyContextConfig | undefined), ...part })(target, key, descriptor);
  };
}
