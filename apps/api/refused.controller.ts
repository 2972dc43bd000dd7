import { Controller, Get } from '@nestjs/common';
import { Needs } from '../http/access/needs.js';
import { Describe } from './openapi/operation.js';
import { problem } from '../http/problem.js';
import { exit, getVpnStatus } from './refused.docs.js';

/** Calls of Cuckoo's that have nothing behind them here, in its own words. */
@Controller()
export class RefusedController {
  /** No rooter yet, so no VPN: Cuckoo says this when its rooter does not run. */
  @Get('vpn/status')
  @Needs('read')
  @Describe(getVpnStatus)
  vpnStatus(): never {
    throw problem(500, 'Rooter not available');
  }

  @Get('exit')
  @Needs('admin')
  @Describe(exit)
  exit(): never {
    throw problem(403, 'This call can only be used in debug mode');
  }
}
