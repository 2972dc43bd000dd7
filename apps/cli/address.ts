export interface Address {
  /** e.g. http://127.0.0.1:8090 */
  readonly url: string;
  readonly token: string | undefined;
}

export function addressUrl(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
