import { isIP } from 'node:net';
import { basename, dirname } from 'node:path/posix';
import type { FileReport } from '#domain/report.js';
import { clip } from '../../text.js';

/** A STIX 2.0 cyber observable object. */
export interface Observable {
  readonly type: string;
  readonly [property: string]: unknown;
}

/** Code units of one text. Paths end at 4096 bytes; command lines do not. */
const TEXT = 4096;

/** The package's `observable_objects`: each thing once, under a running number that references use. */
export class Observables {
  readonly #refs = new Map<string, string>();
  readonly #objects: Observable[] = [];

  /** What `key` stands for; made when it is new. */
  add(key: string, make: () => Observable): string {
    const known = this.#refs.get(key);
    if (known !== undefined) return known;
    const object = make();
    const ref = this.put(object);
    this.#refs.set(key, ref);
    return ref;
  }

  put(object: Observable): string {
    return String(this.#objects.push(object) - 1);
  }

  /** Numbers for objects that point to each other; `fill` brings each one's object. */
  reserve(count: number): readonly string[] {
    return Array.from({ length: count }, () => this.put({ type: '' }));
  }

  fill(ref: string, object: Observable): void {
    this.#objects[Number(ref)] = object;
  }

  directory(path: string): string {
    return this.add(`directory ${path}`, () => ({ type: 'directory', path: clip(path, TEXT) }));
  }

  /** A file of which only the path is known. */
  path(path: string): string {
    return this.add(`file ${path}`, () => ({ type: 'file', ...this.place(path) }));
  }

  place(path: string): { readonly name: string; readonly parent_directory_ref?: string } {
    const name = clip(basename(path), TEXT);
    if (!path.startsWith('/') || name === '') return { name: name === '' ? clip(path, TEXT) : name };
    return { name, parent_directory_ref: this.directory(dirname(path)) };
  }

  /** undefined when it is no address: the schema has no place for anything else. */
  address(ip: string): string | undefined {
    const version = isIP(ip);
    if (version === 0) return undefined;
    return this.add(ip, () => ({ type: version === 4 ? 'ipv4-addr' : 'ipv6-addr', value: ip }));
  }

  toDictionary(): Readonly<Record<string, Observable>> {
    return Object.fromEntries(this.#objects.map((object, i) => [String(i), object]));
  }
}

export function fileFacts(file: FileReport): { readonly hashes: object; readonly size: number } {
  return {
    hashes: {
      MD5: file.md5,
      'SHA-1': file.sha1,
      'SHA-256': file.sha256,
      'SHA-512': file.sha512,
      ...(file.ssdeep !== null && { ssdeep: file.ssdeep }),
    },
    size: file.size,
  };
}

export function software(name: string): Observable {
  return { type: 'software', name };
}

export function commandLine(text: string): { readonly command_line?: string } {
  return text === '' ? {} : { command_line: clip(text, TEXT) };
}
