/** What a token of the API may do; `admin` may do everything. docs/howto/secure.md tells which request needs which. */
export const SCOPES = ['read', 'submit', 'download', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

export function isScope(word: string): word is Scope {
  return SCOPES.some((scope) => scope === word);
}
