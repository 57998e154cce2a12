/**
 * The looks of a page. Colours of lines: those of Okabe and Ito, which stay apart for the colour-blind, made darker on light ground and
 * lighter on dark until each has a contrast of 3 to 1 against it; text has 4.5 to 1 at least. No figure is told by colour alone.
 */
import { Markup } from '../../bench/draw/markup.ts';

const LIGHT = `--ground:#f5f6f8;--card:#fff;--ink:#1b2430;--faint:#57626f;--edge:#d5dbe1;--grid:#e4e8ec;--accent:#0b5d99;
--good:#12703f;--good-ground:#e2f3e8;--bad:#b3201a;--bad-ground:#fce7e5;--unsure:#7a5200;--unsure-ground:#fbf0d6;
--line-0:#0b6fb0;--line-1:#b8400a;--line-2:#0a8a63;--line-3:#b0508a;--line-4:#ba880a;--line-5:#2e95c9;--line-6:#3f444c;`;
const DARK = `--ground:#12161c;--card:#1a2029;--ink:#e8ecf1;--faint:#a3aebb;--edge:#343e4a;--grid:#2a323c;--accent:#7cc0f2;
--good:#6fd39c;--good-ground:#15301f;--bad:#ff9189;--bad-ground:#3b1a18;--unsure:#f0c265;--unsure-ground:#33290f;
--line-0:#58aef0;--line-1:#ff8a47;--line-2:#2fc596;--line-3:#e48fc0;--line-4:#e6b022;--line-5:#9adcf7;--line-6:#8b929c;`;
const LINES = [0, 1, 2, 3, 4, 5, 6].map(
  (i) =>
    `.line.s${i}{stroke:var(--line-${i})}.mark.s${i},rect.s${i}{fill:var(--line-${i})}.hollow.s${i}{fill:var(--card);stroke:var(--line-${i})}`,
);

export const PAGE_STYLE = new Markup(`
:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,'Segoe UI',Roboto,'DejaVu Sans',Helvetica,Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 12px;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:36px 0 12px}
h3{font-size:1rem;margin:20px 0 8px}
a{color:var(--accent)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:.875em;overflow-wrap:anywhere}
.kicker{margin:0 0 2px;color:var(--faint);font-size:.85rem}
.about{margin:-6px 0 14px;color:var(--faint);font-size:.9rem;overflow-wrap:anywhere}.about code{color:var(--ink)}
.faint,.none{color:var(--faint)}
article+article{border-top:3px solid var(--edge);margin-top:56px;padding-top:28px}
.verdict{display:flex;flex-wrap:wrap;gap:2px 12px;align-items:baseline;margin:0 0 16px;padding:12px 16px;border-radius:8px;border-left:6px solid;overflow-wrap:anywhere}
.verdict strong{font-size:1.15rem}.verdict span{color:var(--ink);min-width:0}
.verdict strong::before,.chip::before{margin-right:.4em}
.good>strong::before,.chip.good::before{content:'\\2713'}.bad>strong::before,.chip.bad::before{content:'\\2717'}.unsure>strong::before,.chip.unsure::before{content:'!'}
.good{color:var(--good);background:var(--good-ground)}.verdict.bad,.chip.bad{color:var(--bad);background:var(--bad-ground)}.unsure{color:var(--unsure);background:var(--unsure-ground)}
.chip{padding:1px 9px;border-radius:99px;font-size:.85rem;font-weight:600;white-space:nowrap}
.runs{list-style:none;padding:0}.runs li{margin:6px 0}.runs a{font-weight:600}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,210px),1fr));gap:12px;margin:0}
.tile,.plot,.block,.remarks{background:var(--card);border:1px solid var(--edge);border-radius:8px}
.tile{padding:12px 14px}
.tile dt{color:var(--faint);font-size:.85rem}
.tile dd{margin:0;overflow-wrap:anywhere}.tile strong{font-size:1.7rem;line-height:1.25;font-weight:650}.tile dd>span{color:var(--faint)}
.tile small{display:block;color:var(--faint);font-size:.82rem;line-height:1.35}
.tile.bad{background:var(--bad-ground);border-color:var(--bad)}.tile.bad strong{color:var(--bad)}
.remarks{margin:0;padding:12px 18px 12px 34px}.remarks li{margin:4px 0;overflow-wrap:anywhere}
.remarks .warning{color:var(--unsure);font-weight:600}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:16px}
.plots>:only-child{grid-column:1/-1;max-width:580px}
.plot{margin:0;padding:14px 16px 12px;min-width:0}
.plot figcaption{font-weight:600;overflow-wrap:anywhere}
.unit{margin:8px 0 0;color:var(--faint);font-size:.82rem;overflow-wrap:anywhere}.plot>svg{display:block;width:100%;height:auto;margin-top:2px}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:6px 0 0;padding:0;font-size:.875rem}
.legend li{display:flex;align-items:center;gap:6px;overflow-wrap:anywhere;min-width:0}.legend svg{flex:none}
svg text{font-size:12.5px;fill:var(--ink);font-family:inherit}
svg .tick,svg .label{fill:var(--faint)}svg .group{font-weight:600}
svg .group,svg .value,svg .threshold-label{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
svg .middle{text-anchor:middle}svg .end{text-anchor:end}
.grid{stroke:var(--grid)}.axis{stroke:var(--faint)}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.d1{stroke-dasharray:7 4}.d2{stroke-dasharray:2 3}
.mark{stroke:var(--card);stroke-width:1}.mark.hollow{stroke-width:1.6}.touch{fill:transparent}.point:hover .mark{stroke:var(--ink);stroke-width:2}.point:hover rect{stroke:var(--ink)}
.threshold{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:6 4}svg .threshold-label{fill:var(--bad);font-weight:600}
${LINES.join('')}
details>summary{cursor:pointer;color:var(--accent);font-size:.9rem}
.block{padding:12px 16px;margin:0 0 12px}.block>summary{font-size:1rem;font-weight:600}
.plots+.block,section>.block:only-child{margin-top:16px}.block>.plots{margin-top:12px}.block .plot{border-color:var(--edge)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.wide{overflow-x:auto;margin:8px 0 20px}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--faint);padding:0 0 6px;white-space:nowrap}
th,td{padding:5px 14px 5px 0;border-bottom:1px solid var(--edge);text-align:left;vertical-align:top;white-space:nowrap}
thead th{color:var(--faint);font-weight:600;vertical-align:bottom;border-bottom-width:2px}
.block>.wide tbody th{position:sticky;left:0;background:var(--card);padding-left:2px}tbody th{font-weight:500}tbody th,thead th{white-space:normal;max-width:24rem;overflow-wrap:break-word}tbody th{min-width:10rem}thead th{min-width:4.5rem}.plot tbody th{min-width:4rem}
.figure{text-align:right}
tr.bad>*,.block>.wide tbody tr.bad>th{color:var(--bad);background:var(--bad-ground)}
.facts,.settings{margin:0}
.facts>div{display:grid;grid-template-columns:9.5rem minmax(0,1fr);gap:0 16px;padding:5px 0;border-bottom:1px solid var(--edge)}
.facts dt,.settings dt{color:var(--faint)}.facts dd,.settings dd{margin:0;overflow-wrap:anywhere}
.settings{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,250px),1fr));gap:0 28px}
.settings>div{display:flex;justify-content:space-between;gap:12px;padding:4px 0;border-bottom:1px solid var(--edge)}.settings dd{text-align:right}
.json{max-height:26rem;overflow:auto;padding:12px;background:var(--ground);border-radius:6px;user-select:all;white-space:pre-wrap}
@media (max-width:600px){main{padding:16px 12px 48px}h1{font-size:1.6rem}.plot{padding:12px 10px 10px}.plot>svg text{font-size:14px}
.tiles{grid-template-columns:repeat(2,minmax(0,1fr));gap:8px}.tile{padding:10px}.tile strong{font-size:1.35rem}.facts>div{grid-template-columns:minmax(0,1fr)}}
@media print{:root{color-scheme:light;${LIGHT}--ground:#fff}@page{margin:14mm}body{font-size:11pt}main{max-width:none;padding:0}
.tile,.plot,tr,.verdict,.remarks li,.where{break-inside:avoid}h2,h3,figcaption{break-after:avoid}article+article{break-before:page;border:0}
.plots{grid-template-columns:1fr 1fr}.plot details,.json{display:none}.wide{overflow:visible}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`);
