/**
 * The words of `penstock serve`. What they mean is decided in `src/config.ts`, and what they start in `src/supervisor.ts`; both
 * lie above the command line, so the entry hands the action in.
 */
import { type Command, Option } from 'commander';

/** As typed: unparsed, and absent where not typed. */
export interface ServeFlags {
  readonly dir?: string;
  readonly s3?: string;
  readonly grpc?: string;
  readonly admin?: string;
  readonly workers?: string;
  readonly config?: string;
  readonly insecure?: boolean;
  readonly tlsKey?: string;
  readonly tlsCert?: string;
  readonly region?: string;
  readonly domain?: readonly string[];
  readonly accessLog?: boolean;
  readonly logLevel?: string;
}

export type ServeAction = (flags: ServeFlags) => Promise<void>;

const EXAMPLES = `
Examples:
  penstock serve                                 a gateway on this machine, data in ./data
  penstock serve /flash/penstock --workers 8
  penstock serve --s3 0.0.0.0:9000 --tls-key tls.key --tls-cert tls.crt

Signals: SIGTERM and SIGINT finish what runs and stop; SIGHUP replaces every process without refusing a connection.
Every flag is also a PENSTOCK_* variable (PENSTOCK_S3, PENSTOCK_WORKERS ...) and a setting of the config file.
PENSTOCK_ACCESS_KEY and PENSTOCK_SECRET_KEY set the root credential; without them the first start makes one.`;

export function register(program: Command, serve: ServeAction): void {
  program
    .command('serve')
    .summary('start a gateway')
    .description('Start a gateway: stores objects in DIR and serves them over S3.')
    .argument('[DIR]', 'folder of the store, made when it does not exist (default: ./data)')
    .option('--s3 <HOST:PORT>', 'address of the S3 front (default: 127.0.0.1:9000)')
    .option('--admin <HOST:PORT>', 'address of health, metrics and status (default: 127.0.0.1:9001)')
    .option('--grpc <HOST:PORT>', 'address of the gRPC front (default: 127.0.0.1:9002)')
    .option('--workers <N>', 'worker processes (default: one for each core)')
    .option('--config <FILE>', 'settings as JSON, see config/penstock.example.json')
    .option('--region <NAME>', 'S3 region that clients sign for (default: us-east-1)')
    .option('--domain <NAME...>', 'host names under which buckets are sub-domains')
    .option('--tls-key <FILE>', 'PEM file of the private key')
    .option('--tls-cert <FILE>', 'PEM file of the certificate and its chain')
    .option('--insecure', 'allow addresses other than loopback without TLS')
    .option('--access-log', 'log every request: who, what, when, outcome')
    .addOption(
      new Option('--log-level <LEVEL>', 'least severe line that is logged (default: info)').choices([
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string | undefined, options: Omit<ServeFlags, 'dir'>) => {
      await serve(dir === undefined ? options : { ...options, dir });
    });
}
