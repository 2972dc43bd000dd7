import { Controller, Get } from '@nestjs/common';
import { Needs } from './access/needs.js';
import { problem } from './problem.js';

/** Calls of Cuckoo's that have nothing behind them here, in its own words. */
@Controller()
export class RefusedController {
  /** No rooter yet, so no VPN: Cuckoo says this when its rooter does not run. */
  @Get('vpn/status')
  @Needs('read')
  vpnStatus(): never {
    throw problem(500, 'Rooter not available');
  }

  @Get('exit')
  @Needs('admin')
  exit(): never {
    throw problem(403, 'This call can only be used in debug mode');
  }
}
