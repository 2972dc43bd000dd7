import type { Duplex } from 'node:stream';
import { contentFor } from './content.js';
import type { LineChannel } from './lines.js';

/** How a server gets its data connection: passive only, as almost every client asks. */
export interface FtpData {
  /** Listens on a port of the address the client talks to; the connection is the next one the guest opens there. */
  expect(): { readonly port: number; readonly connection: Promise<Duplex | null> };
  /** What the guest stored. */
  stored(connection: Duplex): Promise<void>;
}

const LISTING = '-rw-r--r--    1 ftp      ftp           512 Jan 10  2024 readme.txt\r\n';

/** An FTP server (RFC 959, RFC 2428) with one login for all: everything can be read and anything stored. */
export async function serveFtp(channel: LineChannel, address: string, data: FtpData): Promise<void> {
  channel.say('220 (vsFTPd 3.0.5)');
  let waiting: Promise<Duplex | null> | null = null;
  const transfer = async (work: (connection: Duplex) => Promise<void>): Promise<void> => {
    if (waiting === null) {
      channel.say('425 Use PASV first.');
      return;
    }
    channel.say('150 Ok to send data.');
    const connection = await waiting;
    waiting = null;
    if (connection === null) {
      channel.say('425 Failed to establish connection.');
      return;
    }
    await work(connection);
    channel.say('226 Transfer complete.');
  };
  for (let line = await channel.read(); line !== null; line = await channel.read()) {
    const [verb = '', ...words] = line.split(' ');
    const argument = words.join(' ');
    switch (verb.toUpperCase()) {
      case 'USER':
        channel.say('331 Please specify the password.');
        break;
      case 'PASS':
        channel.say('230 Login successful.');
        break;
      case 'SYST':
        channel.say('215 UNIX Type: L8');
        break;
      case 'FEAT':
        channel.say('211-Features:', ' EPSV', ' PASV', ' SIZE', ' UTF8', '211 End');
        break;
      case 'PWD':
        channel.say('257 "/" is the current directory');
        break;
      case 'CWD':
      case 'CDUP':
        channel.say('250 Directory successfully changed.');
        break;
      case 'MKD':
        channel.say('257 created');
        break;
      case 'TYPE':
      case 'MODE':
      case 'STRU':
      case 'OPTS':
      case 'NOOP':
        channel.say('200 Ok.');
        break;
      case 'SIZE':
        channel.say(`213 ${contentFor(argument, '').body.length}`);
        break;
      case 'PASV': {
        const { port, connection } = data.expect();
        waiting = connection;
        const numbers = [...address.split('.'), port >> 8, port & 255].join(',');
        channel.say(`227 Entering Passive Mode (${numbers}).`);
        break;
      }
      case 'EPSV': {
        const { port, connection } = data.expect();
        waiting = connection;
        channel.say(`229 Entering Extended Passive Mode (|||${port}|)`);
        break;
      }
      case 'LIST':
        await transfer(async (connection) => void connection.end(LISTING));
        break;
      case 'NLST':
        await transfer(async (connection) => void connection.end('readme.txt\r\n'));
        break;
      case 'RETR':
        await transfer(async (connection) => void connection.end(contentFor(argument, '').body));
        break;
      case 'STOR':
      case 'APPE':
        await transfer((connection) => data.stored(connection));
        break;
      case 'DELE':
      case 'RMD':
        channel.say('250 Ok.');
        break;
      case 'QUIT':
        channel.say('221 Goodbye.');
        return;
      default:
        channel.say('500 Unknown command.');
    }
  }
}
