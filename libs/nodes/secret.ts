/** A text without the token of the node it comes from. */
export type Hide = (text: string) => string;

/** For a node's words: some repeat the request they do not like, and messages are logged, kept and shown. */
export function hiding(token: string | null): Hide {
  if (token === null || token === '') return (text) => text;
  // As it was sent, in JSON, and in the address of a redirect.
  const forms = new Set([token, JSON.stringify(token).slice(1, -1), encodeURIComponent(token)]);
  return (text) => [...forms].reduce((said, form) => said.replaceAll(form, '[token]'), text);
}
