/** The settings of one gateway, checked and frozen by `src/config.ts`, and what every layer says about addresses. */
import type { LogLevel } from './log.ts';

export interface Address {
  /** Without brackets. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
}

export interface Config {
  /** Absolute path. */
  readonly data: string;
  readonly s3: Address;
  readonly grpc: Address;
  readonly admin: Address;
  readonly workers: number;
  readonly region: string;
  readonly domains: readonly string[];
  readonly tls: TlsFiles | undefined;
  readonly insecure: boolean;
  readonly accessLog: boolean;
  readonly logLevel: LogLevel;
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Only what can be nothing else: a name may be pointed elsewhere, so `localhost` is the only name that counts. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}
