/** The one place that makes a pino: JSON lines on stderr, written at once, so that a killed process loses none of them. */
import { pino } from 'pino';
import type { Log, LogLevel } from './base/log.ts';

/** @param role who speaks: `supervisor`, `keeper`, `worker-1` */
export function createProcessLog(role: string, pid: number, level: LogLevel): Log {
  return pino(
    {
      level,
      base: { role, pid },
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { error: pino.stdSerializers.err },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
