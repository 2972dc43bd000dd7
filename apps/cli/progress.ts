import { visible, visibleLines } from './text.js';

/** What a person is shown while work goes on: on stderr, so that stdout stays for results. */
export interface Progress {
  /** A finished step or a fact: stays on the screen. */
  say(line: string): void;
  /** What goes on now: replaced by the next on a terminal, left out in a pipe. */
  now(line: string): void;
  done(): void;
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;

export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  return stream.isTTY ? terminal(stream) : lines(stream);
}

function lines(stream: NodeJS.WritableStream): Progress {
  return { say: (line) => void stream.write(`${visibleLines(line)}\n`), now: () => {}, done: () => {} };
}

function terminal(stream: NodeJS.WriteStream): Progress {
  let current = '';
  let frame = 0;
  let timer: NodeJS.Timeout | undefined;
  const clear = () => stream.write('\r\u001b[K');
  const draw = () => {
    const width = Math.max(20, stream.columns - 3);
    stream.write(`\r\u001b[K${FRAMES[(frame += 1) % FRAMES.length] ?? ''} ${current.slice(0, width)}`);
  };
  return {
    say(line) {
      clear();
      stream.write(`${visibleLines(line)}\n`);
      if (current !== '') draw();
    },
    now(line) {
      current = visible(line);
      timer ??= setInterval(draw, FRAME_MS).unref();
      draw();
    },
    done() {
      clearInterval(timer);
      timer = undefined;
      if (current !== '') clear();
      current = '';
    },
  };
}

/** Shows what a process of the lab says of its progress. */
export function show(
  progress: Progress,
  { line, lasting }: { readonly line: string; readonly lasting: boolean },
): void {
  if (lasting) progress.say(line);
  else progress.now(line);
}
