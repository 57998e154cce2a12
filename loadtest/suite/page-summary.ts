/** What stands at the top of a run: how it ended, the figures that matter most, remarks; and where it was measured. Pure. */
import { type Markup, markup } from '../../bench/draw/markup.ts';
import { quantity } from '../../bench/draw/scale.ts';
import { formatFigure } from '../../bench/measure/report.ts';
import { summarise } from '../../bench/measure/rounds.ts';
import { shortened } from './plot-parts.ts';
import { addErrors, countErrors, type LoadErrors, NO_ERRORS, type RunReport } from './run-report.ts';
import { describeAt, errorsOf, MEASURES, medianOf, type Setting, settingsOf } from './settings-of-points.ts';

/** More of them are summed up. */
const RATIOS_MAX = 3;

type Ratio = RunReport['ratios'][number];
type VerdictKind = 'good' | 'bad' | 'unsure';

interface Verdict {
  readonly kind: VerdictKind;
  readonly word: string;
  readonly text: string;
}

function allErrors({ points }: RunReport): LoadErrors {
  return points.reduce((sum, { errors }) => addErrors(sum, errors), NO_ERRORS);
}

/** A run with errors has failed, whatever else it reached. */
export function verdictOf(report: RunReport): Verdict {
  const errors = allErrors(report);
  const count = countErrors(errors);
  const own = report.verdict?.text ?? '';
  const cut = report.isCutShort ? 'It was stopped by hand before its end. ' : '';
  if (count > 0) return { kind: 'bad', word: 'Failed', text: `${cut}${inWords(errors)}. ${own}`.trim() };
  if (report.verdict !== undefined && !report.verdict.isPassed) return { kind: 'bad', word: 'Failed', text: cut + own };
  if (report.isCutShort) return { kind: 'unsure', word: 'Cut short', text: (cut + own).trim() };
  if (report.points.length === 0) return { kind: 'unsure', word: 'Nothing measured', text: own };
  const text = own === '' ? 'No request failed, and no body was short or wrong.' : own;
  return { kind: 'good', word: report.verdict === undefined ? 'No errors' : 'Passed', text };
}

function inWords({ broken, refused, short, wrong }: LoadErrors): string {
  const kinds = [
    [broken, 'without an answer'],
    [refused, 'refused'],
    [short, 'with short bodies'],
    [wrong, 'with wrong bytes'],
  ] as const;
  const found = kinds.filter(([count]) => count > 0).map(([count, what]) => `${count.toLocaleString('en-US')} ${what}`);
  return `Errors: ${found.join(', ')}`;
}

interface KeyFigure {
  readonly label: string;
  readonly value: string;
  readonly unit: string;
  readonly note: string;
  readonly isBad?: boolean;
}

/** Of the first target, which is the one that the run is about; ratios speak of the others. */
export function keyFiguresOf(report: RunReport): Markup {
  const subject = report.targets[0]?.name ?? report.points[0]?.target;
  const settings = settingsOf(report.points);
  const own = settings.filter(({ target }) => target === subject);
  const figures = [
    errorFigure(report),
    ...throughputFigures(own.length > 0 ? own : settings),
    ...cpuFigure(own.length > 0 ? own : settings),
    ...latencyFigure(own.length > 0 ? own : settings),
    ...ratioFigures(report.ratios),
  ];
  const tiles = figures.map(
    ({ label, value, unit, note, isBad }) =>
      markup`<div class="tile${isBad === true && ' bad'}"><dt>${shortened(label, 90)}</dt><dd><strong>${value}</strong>${unit !== '' && markup` <span>${unit}</span>`}<small>${shortened(note, 120)}</small></dd></div>\n`,
  );
  return markup`<dl class="tiles">${tiles}</dl>`;
}

function errorFigure(report: RunReport): KeyFigure {
  const errors = allErrors(report);
  const count = countErrors(errors);
  const requests = report.points.reduce((sum, point) => sum + point.requests, 0);
  const { broken, refused, short, wrong } = errors;
  const note = count === 0 ? '' : ` (${broken} broken, ${refused} refused, ${short} short, ${wrong} wrong)`;
  const value = count.toLocaleString('en-US');
  return { label: 'Errors', value, unit: '', note: `of ${quantity(requests)} requests${note}`, isBad: count > 0 };
}

function nameOf({ load, at }: Setting): string {
  const varied = describeAt(at);
  return varied === '' ? load : `${load}, ${varied}`;
}

/** The one with the greatest value, or the least; none where nobody has a value. */
function extremeOf(settings: readonly Setting[], measure: (setting: Setting) => number | undefined, sign: 1 | -1) {
  const measured = settings.flatMap((setting) => {
    const value = measure(setting);
    return value === undefined ? [] : [{ setting, value }];
  });
  return measured.sort((a, b) => sign * (b.value - a.value))[0];
}

function throughputFigures(settings: readonly Setting[]): KeyFigure[] {
  const objects = extremeOf(settings, (setting) => medianOf(setting, MEASURES.objectsPerSecond), 1);
  const bytes = extremeOf(settings, (setting) => medianOf(setting, MEASURES.megabytesPerSecond), 1);
  if (objects === undefined || bytes === undefined || objects.value === 0) return [];
  const mostObjects = {
    label: 'Highest throughput',
    value: quantity(objects.value),
    unit: 'objects/s',
    note: nameOf(objects.setting),
  };
  const mostBytes = { label: 'Most bytes', value: quantity(bytes.value), unit: 'MB/s', note: nameOf(bytes.setting) };
  return [mostObjects, mostBytes];
}

function cpuFigure(settings: readonly Setting[]): KeyFigure[] {
  const least = extremeOf(settings, (setting) => medianOf(setting, MEASURES.serverMicrosecondsPerObject), -1);
  if (least === undefined) return [];
  const note = nameOf(least.setting);
  return [{ label: 'Server CPU per object, least', value: quantity(least.value), unit: 'µs', note }];
}

/** Where requests had a rate, at the highest throughput that was kept up without an error; a closed loop's is called that. */
function latencyFigure(settings: readonly Setting[]): KeyFigure[] {
  const isFit = (setting: Setting, isCorrected: boolean): boolean =>
    errorsOf(setting) === 0 && setting.points.some(({ latencyMs }) => latencyMs?.isCorrected === isCorrected);
  const corrected = settings.filter((setting) => isFit(setting, true));
  const isCorrected = corrected.length > 0;
  const fit = isCorrected ? corrected : settings.filter((setting) => isFit(setting, false));
  const most = extremeOf(fit, (setting) => medianOf(setting, MEASURES.objectsPerSecond), 1);
  if (most === undefined) return [];
  const p99 = medianOf(most.setting, ({ latencyMs }) => latencyMs?.p99);
  const p50 = medianOf(most.setting, ({ latencyMs }) => latencyMs?.p50);
  if (p99 === undefined || p50 === undefined) return [];
  const label = isCorrected ? 'Latency p99 at a set rate' : 'Latency p99, closed loop';
  return [{ label, value: quantity(p99), unit: 'ms', note: `p50 ${quantity(p50)} ms; ${nameOf(most.setting)}` }];
}

/**
 * Of few ratios each, of many one figure a measure: their names end in it (`GET 4 KiB, 8 connections: requests a second`), and which of
 * the settings before it matters is not for the page to say.
 */
function ratioFigures(ratios: RunReport['ratios']): KeyFigure[] {
  if (ratios.length <= RATIOS_MAX) return ratios.map((ratio) => ratioFigure(ratio.measure, [ratio]));
  const groups = new Map<string, { measure: string; ratios: Ratio[] }>();
  for (const ratio of ratios) {
    const measure = ratio.measure.split(': ').at(-1) as string;
    const id = JSON.stringify([ratio.contender, ratio.peer, measure]);
    const group = groups.get(id) ?? { measure, ratios: [] };
    group.ratios.push(ratio);
    groups.set(id, group);
  }
  return [...groups.values()].slice(0, RATIOS_MAX).map((group) => ratioFigure(group.measure, group.ratios));
}

function ratioFigure(measure: string, ratios: readonly Ratio[]): KeyFigure {
  const [{ contender, peer }] = ratios as [Ratio];
  const { min, median, max } = summarise(ratios.map((ratio) => ratio.median));
  const spread = `; ${formatFigure(min)} to ${formatFigure(max)} over ${ratios.length} settings`;
  const note = `${contender} / ${peer}, median of rounds${ratios.length > 1 ? spread : ''}`;
  // Of a ratio the unit is gone.
  const name = measure.replace(/, [^ ,]{1,6}$/, '');
  const label = name.charAt(0).toUpperCase() + name.slice(1);
  return { label, value: formatFigure(median), unit: '×', note };
}

/** Sentences that a reader must know, those of the page first: they take something back. */
export function remarksOf(report: RunReport): Markup {
  const limited = report.points.filter(({ isLoadLimited }) => isLoadLimited).length;
  const { loadAverage, cores, commit } = report.machine;
  const warnings = [
    limited > 0 &&
      `In ${limited} of ${report.points.length} points the load generator had no CPU left: those figures are its own, and the target may do more.`,
    loadAverage > cores && `The machine was busy before the run began: load average ${loadAverage} on ${cores} cores.`,
    commit.includes('uncommitted') && 'The build had changes that are in no commit.',
  ].filter((text) => text !== false);
  if (warnings.length + report.remarks.length === 0) return markup``;
  const items = [
    ...warnings.map((text) => markup`<li class="warning">${text}</li>\n`),
    ...report.remarks.map((text) => markup`<li>${text}</li>\n`),
  ];
  return markup`<section><h2>Remarks</h2><ul class="remarks">${items}</ul></section>`;
}

/** The least that must be seen with the figures; the rest is further down. */
export function aboutOf({ command, machine, startedAt, seconds, versions }: RunReport): Markup {
  const build = versions.penstock === undefined ? '' : `Penstock ${versions.penstock}, `;
  const facts = `${startedAt.slice(0, 16).replace('T', ' ')} UTC, ${durationOf(seconds)}; ${build}commit ${machine.commit}; ${machine.cpu}, ${machine.cores} cores`;
  return markup`<p class="about">${facts}<br><code>${command}</code></p>`;
}

export function factsOf({ command, machine, versions, startedAt, seconds, settings, targets }: RunReport): Markup {
  const rows: [string, Markup | string][] = [
    ['Command', markup`<code>${command}</code>`],
    ['Started', `${startedAt.slice(0, 19).replace('T', ' ')} UTC, took ${durationOf(seconds)}`],
    ['Commit', markup`<code>${machine.commit}</code>`],
    [
      'Machine',
      `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; load average ${machine.loadAverage}`,
    ],
    ['Kernel', machine.kernel],
    [
      'Versions',
      Object.entries({ node: machine.node, ...versions })
        .map(([name, text]) => `${name} ${text}`)
        .join(', '),
    ],
    ...targets.map(({ name, endpoint, isOwn }): [string, Markup] => [
      `Target ${name}`,
      markup`<code>${endpoint}</code>${isOwn ? ', started by the run' : ', there before the run: its CPU and memory are not known'}`,
    ]),
  ];
  const chosen = Object.entries(settings).filter(([, value]) => value !== '' && value !== undefined);
  const values = chosen.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${shownSetting(value)}</dd></div>\n`);
  return markup`<dl class="facts">${rows.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>\n`)}</dl>
${values.length > 0 && markup`<h3>Settings</h3><dl class="settings">${values}</dl>`}`;
}

function shownSetting(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' || typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? '');
}

function durationOf(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 60) return `${quantity(seconds)} s`;
  const [hours, minutes, rest] = [
    Math.floor(seconds / 3600),
    Math.floor((seconds % 3600) / 60),
    Math.floor(seconds % 60),
  ];
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`;
}
