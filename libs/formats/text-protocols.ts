/** First words of protocols that greet in plain text: enough to name a connection and show what was said. */

/** Bytes of a stream that are looked at to name it. */
const GREETING_BYTES = 512;
/** Characters of one IRC line: the protocol's own limit is 512, IRCv3 tags allow more. */
const MAX_IRC_LINE = 2048;
const MAX_IRC_LINES = 1000;

export interface IrcMessage {
  readonly command: string;
  readonly params: string;
}

/** What a connection speaks, told from both sides' first bytes; null when it cannot be told. */
export function textService(client: Buffer, server: Buffer): 'smtp' | 'ftp' | 'irc' | 'ssh' | 'pop3' | null {
  const said = client.toString('latin1', 0, GREETING_BYTES);
  const answered = server.toString('latin1', 0, GREETING_BYTES);
  if (said.startsWith('SSH-') || answered.startsWith('SSH-')) return 'ssh';
  if (/^(?:EHLO|HELO)[ \r\n]/i.test(said)) return 'smtp';
  if (/^(?:NICK|PASS|CAP LS|USER) \S/.test(said) && /(?:^|\n)(?:NICK|JOIN) \S/.test(said)) return 'irc';
  if (/^:\S+ (?:NOTICE|\d{3}) /.test(answered)) return 'irc';
  if (/^220[ -].*ftp/i.test(answered) || (/^220[ -]/.test(answered) && /^USER \S/i.test(said))) return 'ftp';
  if (/^220[ -].*smtp/i.test(answered)) return 'smtp';
  return answered.startsWith('+OK') ? 'pop3' : null;
}

/** `[:prefix ]COMMAND params` lines; others are skipped. RFC 1459 section 2.3. */
export function readIrc(stream: Buffer): IrcMessage[] {
  const messages: IrcMessage[] = [];
  for (const line of stream.toString('latin1').split('\n', MAX_IRC_LINES)) {
    const [, command, params] =
      /^(?::[^ ]{1,512} +)?([A-Z]{3,16}|\d{3})(?: ([^\r]*))?\r?$/.exec(line.slice(0, MAX_IRC_LINE)) ?? [];
    if (command !== undefined) messages.push({ command, params: params ?? '' });
  }
  return messages;
}
