/** Whose REST API a node speaks. */
export const DIALECTS = ['malkoha', 'cuckoo', 'cape'] as const;
export type Dialect = (typeof DIALECTS)[number];
