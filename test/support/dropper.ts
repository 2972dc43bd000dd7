import { expect, test } from '@jest/globals';
import type { ProcessNode, Report } from '#domain/report.js';

/** What a report must tell of test/samples/dropper.sh, whatever machine it ran on. */
export function dropperIsSeen(report: () => Report): void {
  test('its children and their command lines are in the tree', () => {
    const lines = commandLines(report().behavior?.processtree ?? []);
    for (const wanted of [
      /curl .*update\.example-cdn\.test/,
      /\.\/stage/,
      /python3 -c/,
      /perl -e/,
      /crontab -/,
      /rm -f/,
    ]) {
      expect(lines).toContainEqual(expect.stringMatching(wanted));
    }
  });

  test('the file it wrote and deleted again is kept', () => {
    const kept = report().dropped?.find((file) => file.filepath === '/tmp/.x/accounts.txt');
    expect(kept).toMatchObject({
      deleted: true,
      complete: true,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(report().behavior?.summary.file_deleted).toContain('/tmp/.x/accounts.txt');
  });

  test('the name it looked up and the request it made, with path, user agent and process', () => {
    expect(report().network?.dns.map(({ request }) => request)).toContain('update.example-cdn.test');
    expect(report().network?.http).toContainEqual(
      expect.objectContaining({
        method: 'GET',
        host: 'update.example-cdn.test',
        path: '/gate/stage2?id=0',
        'user-agent': expect.stringContaining('dropper-demo'),
        process_name: 'curl',
      }),
    );
    expect(report().network?.http).toContainEqual(
      expect.objectContaining({ method: 'POST', path: '/gate/report' }),
    );
  });

  test('at least three signatures, a screenshot, and a score that its parts explain', () => {
    expect(report().signatures.length).toBeGreaterThanOrEqual(3);
    expect(report().screenshots?.length).toBeGreaterThanOrEqual(1);
    const points = report().malkoha.score.parts.reduce((sum, part) => sum + part.points, 0);
    expect(report().info.score).toBeCloseTo(Math.min(10, points), 5);
  });
}

function commandLines(nodes: readonly ProcessNode[]): readonly string[] {
  return nodes.flatMap((node) => [node.command_line, ...commandLines(node.children)]);
}
