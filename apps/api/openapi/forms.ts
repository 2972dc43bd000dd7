import type { z } from 'zod';
import type { ZodOpenApiRequestBodyObject } from 'zod-openapi';

/** The fields as either kind of form, or as JSON. */
export function anyForm(fields: z.ZodType): ZodOpenApiRequestBodyObject {
  return {
    required: true,
    content: {
      'application/x-www-form-urlencoded': { schema: fields },
      'multipart/form-data': { schema: fields },
      'application/json': { schema: fields },
    },
  };
}
