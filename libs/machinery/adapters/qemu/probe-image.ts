/** What the probe's init writes to the serial port once the kernel has reached user mode. */
export const MARKER = 'MALKOHA-PROBE-OK';

/**
 * An initramfs (cpio, newc) whose /init writes MARKER to the console and restarts the machine. Made here, byte by
 * byte, so that a probe needs nothing but a kernel.
 *
 * @see https://www.kernel.org/doc/html/latest/driver-api/early-userspace/buffer-format.html
 */
export function probeInitramfs(): Buffer {
  return Buffer.concat([
    entry({ name: 'dev', mode: 0o040755 }),
    entry({ name: 'dev/console', mode: 0o020600, device: [5, 1] }),
    entry({ name: 'init', mode: 0o100755, content: probeInit() }),
    entry({ name: 'TRAILER!!!', mode: 0 }),
  ]);
}

interface CpioEntry {
  readonly name: string;
  readonly mode: number;
  readonly content?: Buffer;
  /** Major and minor number. */
  readonly device?: readonly [number, number];
}

/** Magic, 13 fields of 8 hex digits, name and content, both padded to 4 bytes. */
function entry({ name, mode, content = Buffer.alloc(0), device = [0, 0] }: CpioEntry): Buffer {
  const nameBytes = Buffer.from(`${name}\0`, 'latin1');
  const fields = [0, mode, 0, 0, 1, 0, content.length, 0, 0, device[0], device[1], nameBytes.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return Buffer.concat([padded(Buffer.concat([header, nameBytes])), padded(content)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

const LOAD_ADDRESS = 0x400000;
const ELF_HEADER = 64;
const PROGRAM_HEADER = 56;

/** x86-64: write(1, MARKER, length); reboot(MAGIC1, MAGIC2, RESTART, 0); then loops, should reboot() return. */
function probeInit(): Buffer {
  const text = Buffer.from(`\n${MARKER}\n`);
  const code = (textAddress: number) =>
    Buffer.concat([
      Buffer.from([0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0xbe]), // mov eax, 1; mov edi, 1; mov esi, text
      uint32(textAddress),
      Buffer.from([0xba]), // mov edx, length
      uint32(text.length),
      Buffer.from([0x0f, 0x05, 0xb8, 169, 0, 0, 0, 0xbf]), // syscall; mov eax, 169; mov edi, MAGIC1
      uint32(0xfee1dead),
      Buffer.from([0xbe]), // mov esi, MAGIC2
      uint32(672274793),
      Buffer.from([0xba]), // mov edx, RESTART
      uint32(0x01234567),
      Buffer.from([0x45, 0x31, 0xd2, 0x0f, 0x05, 0xeb, 0xfe]), // xor r10d, r10d; syscall; jmp $
    ]);
  const start = ELF_HEADER + PROGRAM_HEADER;
  const instructions = code(LOAD_ADDRESS + start + code(0).length);
  return Buffer.concat([elfHeaders(start + instructions.length + text.length), instructions, text]);
}

/** Elf64_Ehdr and one Elf64_Phdr (PT_LOAD, read and execute) that maps the whole file. */
function elfHeaders(size: number): Buffer {
  const headers = Buffer.alloc(ELF_HEADER + PROGRAM_HEADER);
  headers.write('\x7fELF\x02\x01\x01', 'latin1');
  headers.writeUInt16LE(2, 16); // ET_EXEC
  headers.writeUInt16LE(62, 18); // EM_X86_64
  headers.writeUInt32LE(1, 20);
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS + headers.length), 24); // entry
  headers.writeBigUInt64LE(BigInt(ELF_HEADER), 32); // program headers
  headers.writeUInt16LE(ELF_HEADER, 52);
  headers.writeUInt16LE(PROGRAM_HEADER, 54);
  headers.writeUInt16LE(1, 56);
  headers.writeUInt32LE(1, ELF_HEADER); // PT_LOAD
  headers.writeUInt32LE(5, ELF_HEADER + 4);
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS), ELF_HEADER + 16);
  headers.writeBigUInt64LE(BigInt(LOAD_ADDRESS), ELF_HEADER + 24);
  headers.writeBigUInt64LE(BigInt(size), ELF_HEADER + 32);
  headers.writeBigUInt64LE(BigInt(size), ELF_HEADER + 40);
  headers.writeBigUInt64LE(0x1000n, ELF_HEADER + 48);
  return headers;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
