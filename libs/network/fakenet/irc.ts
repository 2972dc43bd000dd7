import type { LineChannel } from './lines.js';

const SERVER = 'irc.local';

/** An IRC server (RFC 2812) where every nick is free, every channel exists, and nobody else is there. */
export async function serveIrc(channel: LineChannel, greet: boolean): Promise<void> {
  if (greet) channel.say(`:${SERVER} NOTICE * :*** Looking up your hostname...`);
  let nick = '*';
  let user = '';
  let welcomed = false;
  for (let line = await channel.read(); line !== null; line = await channel.read()) {
    const [command = '', argument = ''] = line.replace(/^:\S* /, '').split(' ', 2);
    switch (command.toUpperCase()) {
      case 'NICK':
        nick = plain(argument);
        break;
      case 'USER':
        user = plain(argument);
        break;
      case 'CAP':
        if (/^(?:LS|LIST)/i.test(argument)) channel.say(`:${SERVER} CAP * ${argument.toUpperCase()} :`);
        break;
      case 'PING':
        channel.say(`:${SERVER} PONG ${SERVER} :${plain(argument)}`);
        break;
      case 'JOIN':
        for (const name of argument.split(',', 10).map(plain)) {
          channel.say(
            `:${nick}!${user}@local JOIN ${name}`,
            `:${SERVER} 353 ${nick} = ${name} :${nick}`,
            `:${SERVER} 366 ${nick} ${name} :End of /NAMES list.`,
          );
        }
        break;
      case 'PART':
        channel.say(`:${nick}!${user}@local PART ${plain(argument)}`);
        break;
      case 'QUIT':
        channel.say('ERROR :Closing Link');
        return;
      case 'PASS':
      case 'PONG':
      case 'MODE':
      case 'PRIVMSG':
      case 'NOTICE':
      case 'WHO':
        break;
      default:
        channel.say(`:${SERVER} 421 ${nick} ${plain(command)} :Unknown command`);
    }
    if (welcomed || nick === '*' || user === '') continue;
    welcomed = true;
    channel.say(
      `:${SERVER} 001 ${nick} :Welcome to the network ${nick}!${user}@local`,
      `:${SERVER} 002 ${nick} :Your host is ${SERVER}`,
      `:${SERVER} 004 ${nick} ${SERVER} ircd-2.11 aoOirw abeiIklmnoOpqrRstv`,
      `:${SERVER} 422 ${nick} :MOTD File is missing`,
    );
  }
}

/** One word of what the client said, short enough to be said back. */
function plain(word: string): string {
  return word.replace(/^:/, '').slice(0, 64) || '*';
}
