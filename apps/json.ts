/** The value, or null when the text is no JSON: a file that a crash cut is as good as none. For a schema to judge. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
