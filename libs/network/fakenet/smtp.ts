import type { LineChannel } from './lines.js';

const HOST = 'mail.local';

/** How the conversation ended: the client left, or wants to go on over TLS. */
export type SmtpEnd = 'closed' | 'starttls';

/** A mail server (RFC 5321) that takes every login and every message. */
export async function serveSmtp(channel: LineChannel, secure: boolean, greet: boolean): Promise<SmtpEnd> {
  if (greet) channel.say(`220 ${HOST} ESMTP Postfix`);
  for (let line = await channel.read(); line !== null; line = await channel.read()) {
    const [verb = ''] = line.split(' ', 1);
    switch (verb.toUpperCase()) {
      case 'EHLO':
        channel.say(
          `250-${HOST}`,
          '250-PIPELINING',
          '250-SIZE 10240000',
          ...(secure ? [] : ['250-STARTTLS']),
          '250-AUTH PLAIN LOGIN',
          '250 8BITMIME',
        );
        break;
      case 'HELO':
        channel.say(`250 ${HOST}`);
        break;
      case 'STARTTLS':
        if (secure) {
          channel.say('503 5.5.1 TLS already active');
          break;
        }
        channel.say('220 2.0.0 Ready to start TLS');
        return 'starttls';
      case 'AUTH':
        await authenticate(channel, line);
        break;
      case 'DATA':
        channel.say('354 End data with <CR><LF>.<CR><LF>');
        if (!(await takeMessage(channel))) return 'closed';
        channel.say('250 2.0.0 Ok: queued as 4F1C22A0B3');
        break;
      case 'QUIT':
        channel.say('221 2.0.0 Bye');
        return 'closed';
      case 'VRFY':
        channel.say('252 2.0.0 Cannot VRFY user');
        break;
      case 'MAIL':
      case 'RCPT':
      case 'RSET':
      case 'NOOP':
        channel.say('250 2.0.0 Ok');
        break;
      default:
        channel.say('502 5.5.2 Error: command not recognized');
    }
  }
  return 'closed';
}

/** Asks for what the client has not said yet; the transcript keeps it. */
async function authenticate(channel: LineChannel, line: string): Promise<void> {
  const [, mechanism = '', initial] = line.split(' ');
  const prompts = mechanism.toUpperCase() === 'LOGIN' ? ['VXNlcm5hbWU6', 'UGFzc3dvcmQ6'] : [''];
  for (const prompt of initial === undefined ? prompts : prompts.slice(1)) {
    channel.say(`334 ${prompt}`);
    if ((await channel.read()) === null) return;
  }
  channel.say('235 2.7.0 Authentication successful');
}

async function takeMessage(channel: LineChannel): Promise<boolean> {
  for (let line = await channel.read(); line !== null; line = await channel.read()) {
    if (line === '.') return true;
  }
  return false;
}
