/** The letters' rows, from the top; `#` is lit. */
const WORD = [
  '####  ##  #  # ####',
  '#    #  # # #  #   ',
  '###  #### ##   ### ',
  '#    #  # # #  #   ',
  '#    #  # #  # ####',
];
const SCALE = 8;
const WIDTH = 200;
const HEIGHT = 88;

/** What the screen of a fake machine shows, as PPM: the word FAKE, so that nobody takes it for a guest's. */
export const FAKE_SCREEN = draw();

function draw(): Buffer {
  const header = Buffer.from(`P6\n${WIDTH} ${HEIGHT}\n255\n`, 'latin1');
  const pixels = Buffer.alloc(WIDTH * HEIGHT * 3);
  const left = (WIDTH - (WORD[0] ?? '').length * SCALE) / 2;
  const top = (HEIGHT - WORD.length * SCALE) / 2;
  for (let y = 0; y < HEIGHT; y += 1) {
    for (let x = 0; x < WIDTH; x += 1) {
      const letter = WORD[Math.floor((y - top) / SCALE)]?.[Math.floor((x - left) / SCALE)];
      if (letter === '#') pixels.fill(0xff, (y * WIDTH + x) * 3, (y * WIDTH + x + 1) * 3);
    }
  }
  return Buffer.concat([header, pixels]);
}
