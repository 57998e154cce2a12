// HOT PATH (bench: every S3 request is recorded once)
/**
 * The figures of one process, as plain numbers that become metrics only when somebody asks. Recording a request is two map
 * look-ups and a few additions; `prom-client` in the admin front adds the processes up and writes the text.
 *
 * Hardest decision: no metric objects of `prom-client` here, since each `inc` and `observe` of them sorts and hashes its labels.
 */

export interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  /** Histograms only: `NAME_bucket`, `NAME_sum` or `NAME_count`. */
  readonly metricName?: string;
}

/** One metric in the form of `prom-client`'s `getMetricsAsJSON`, which is how processes send them to each other. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** How equal labels of several processes are put together. */
  readonly aggregator: 'sum' | 'max' | 'first';
  readonly values: readonly MetricValue[];
}

export function metric(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: number | readonly MetricValue[],
  aggregator: Metric['aggregator'] = 'sum',
): Metric {
  return { type, name, help, aggregator, values: typeof value === 'number' ? [{ value, labels: {} }] : value };
}

/** What a finished request or call tells: the S3 front's `RequestEvent` is one, and the gRPC front's `CallEvent` becomes one. */
export interface RequestOutcome {
  readonly operation: string;
  readonly status: number;
  readonly errorCode: string | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly durationMs: number;
}

/** Upper bounds of the latency buckets in milliseconds, inclusive: 250 µs for a hit in RAM up to 10 s for a big upload. */
export const LATENCY_BUCKETS_MS = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000] as const;

interface OperationFigures {
  readonly statuses: Map<number, number>;
  /** Not cumulative; the last one holds what is beyond every bound. */
  readonly buckets: Float64Array;
  sumMs: number;
  count: number;
}

/** How the metrics of a front are called. */
export interface FrontNames {
  /** `penstock_s3` */
  readonly prefix: string;
  /** `request`, as in `penstock_s3_requests_total`. */
  readonly unit: string;
  /** In the texts of help. */
  readonly protocol: string;
}

export const S3_NAMES: FrontNames = { prefix: 'penstock_s3', unit: 'request', protocol: 'S3' };
export const GRPC_NAMES: FrontNames = { prefix: 'penstock_grpc', unit: 'call', protocol: 'gRPC' };

export class RequestMetrics {
  readonly #names: FrontNames;
  readonly #operations = new Map<string, OperationFigures>();
  readonly #errors = new Map<string, number>();
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(names: FrontNames) {
    this.#names = names;
  }

  record(outcome: RequestOutcome): void {
    let figures = this.#operations.get(outcome.operation);
    if (figures === undefined) figures = this.#add(outcome.operation);
    figures.statuses.set(outcome.status, (figures.statuses.get(outcome.status) ?? 0) + 1);
    let bucket = 0;
    while (bucket < LATENCY_BUCKETS_MS.length && outcome.durationMs > (LATENCY_BUCKETS_MS[bucket] as number)) bucket++;
    figures.buckets[bucket] = (figures.buckets[bucket] as number) + 1;
    figures.sumMs += outcome.durationMs;
    figures.count++;
    this.#bytesIn += outcome.bytesIn;
    this.#bytesOut += outcome.bytesOut;
    if (outcome.errorCode !== undefined) {
      this.#errors.set(outcome.errorCode, (this.#errors.get(outcome.errorCode) ?? 0) + 1);
    }
  }

  collect(): Metric[] {
    const { prefix, unit, protocol } = this.#names;
    const requests: MetricValue[] = [];
    const durations: MetricValue[] = [];
    for (const [operation, figures] of this.#operations) {
      for (const [status, value] of figures.statuses) requests.push({ value, labels: { operation, status } });
      durations.push(...histogramValues(`${prefix}_${unit}_duration_seconds`, operation, figures));
    }
    const errors = [...this.#errors].map(([code, value]) => ({ value, labels: { code } }));
    return [
      metric('counter', `${prefix}_${unit}s_total`, `Finished ${protocol} ${unit}s.`, requests),
      {
        type: 'histogram',
        name: `${prefix}_${unit}_duration_seconds`,
        help: `Time from the parsed head of a ${unit} to the end of its response.`,
        aggregator: 'sum',
        values: durations,
      },
      metric('counter', `${prefix}_errors_total`, `${protocol} errors by code.`, errors),
      metric('counter', `${prefix}_received_bytes_total`, `Bytes of ${unit} bodies.`, this.#bytesIn),
      metric('counter', `${prefix}_sent_bytes_total`, 'Bytes of response bodies.', this.#bytesOut),
    ];
  }

  #add(operation: string): OperationFigures {
    const buckets = new Float64Array(LATENCY_BUCKETS_MS.length + 1);
    const figures: OperationFigures = { statuses: new Map(), buckets, sumMs: 0, count: 0 };
    this.#operations.set(operation, figures);
    return figures;
  }
}

function histogramValues(name: string, operation: string, figures: OperationFigures): MetricValue[] {
  const values: MetricValue[] = [];
  let total = 0;
  for (const [position, count] of figures.buckets.entries()) {
    total += count;
    const boundMs = LATENCY_BUCKETS_MS[position];
    const le = boundMs === undefined ? '+Inf' : boundMs / 1000;
    values.push({ metricName: `${name}_bucket`, value: total, labels: { le, operation } });
  }
  values.push({ metricName: `${name}_sum`, value: figures.sumMs / 1000, labels: { operation } });
  values.push({ metricName: `${name}_count`, value: figures.count, labels: { operation } });
  return values;
}
