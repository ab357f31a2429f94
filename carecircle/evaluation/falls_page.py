"""The page of errors without its content, which stands for the marks in it: one file, nothing from elsewhere."""

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Missed falls and false alarms</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>
:root { color: #1f2933; background: #fff; font: 15px/1.45 system-ui, sans-serif }
body { margin: 0; display: grid; grid-template: auto 1fr / 20rem 1fr; height: 100vh }
header { grid-column: 1 / 3; padding: .8rem 1.2rem; border-bottom: 1px solid #d5dbe1 }
h1 { font-size: 1.2rem; margin: 0 } header p { margin: .2rem 0 .6rem; color: #52606d }
label, button { margin-right: .8rem } select, button { font: inherit; padding: .15rem .5rem }
nav { overflow-y: auto; border-right: 1px solid #d5dbe1 }
nav ol { list-style: none; margin: 0; padding: 0 }
nav a { display: block; padding: .35rem 1.2rem; color: inherit; text-decoration: none; overflow-wrap: anywhere }
nav a:hover, nav a:focus { background: #eef2f6 } nav a[aria-current="true"] { background: #dbe8f5 }
nav small { display: block; color: #52606d }
main { overflow-y: auto; padding: 1rem 1.6rem } article { max-width: 62rem; margin-bottom: 2.5rem }
h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere } .kind { margin: .1rem 0 .8rem }
dl { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 0 0 1rem }
dt { font-size: .8rem; color: #52606d } dd { margin: 0 }
svg { width: 100%; font-size: 11px } svg text { fill: #52606d }
.grid { stroke: #e4e8ec } .label { fill: #fdf0d5 } .held { fill: #52606d; fill-opacity: .1 }
.impact { stroke: #b26a00; stroke-width: 1.5; stroke-dasharray: 5 3 }
.threshold { stroke: #52606d; stroke-dasharray: 2 3 }
.signal { fill: none; stroke: #1d5fa8; stroke-width: 1.3 }
.waits { stroke-width: 1.5; stroke-opacity: .6; stroke: #52606d } .waits.confirmed { stroke: #b3261e }
.suspected { fill: #fff; stroke: #52606d; stroke-width: 1.8 } .confirmed { fill: #b3261e }
.withdrawn { fill: none; stroke: #1f2933; stroke-width: 2 }
.key svg { width: 14px; height: 14px; vertical-align: -2px; margin: 0 .25rem 0 0 } .key, .foot { color: #52606d }
.key span { display: inline-block; margin-right: .9rem }
.foot { font-size: .85rem }
[hidden] { display: none !important }
.silent { fill: #fff; stroke: #8a949e; stroke-width: 1.5 }
.why { display: flex; flex-wrap: wrap; gap: 0 2.5rem; margin-bottom: .8rem } .why ul { margin: 0; padding-left: 1.1rem }
h3 { font-size: .95rem; margin: .2rem 0 } .sure { margin: 0 0 .3rem; font-weight: 600 }
#summary section { margin-bottom: 1.8rem } table { border-collapse: collapse; margin: .4rem 0 }
th { text-align: left; font-weight: 400; font-size: .8rem; color: #52606d } th, td { padding: .25rem 1.2rem .25rem 0 }
td { border-top: 1px solid #e4e8ec; vertical-align: top } .n { text-align: right; white-space: nowrap }
td button { margin: 0; padding: 0; border: 0; background: none; color: #1d5fa8; cursor: pointer; text-align: left }
td button:hover { text-decoration: underline }
@media (max-width: 50rem) {
  body { display: block; height: auto } nav { max-height: 11rem; border-bottom: 1px solid #d5dbe1 }
  header, main { padding: .7rem .9rem } nav a { padding: .35rem .9rem } .key { display: block; margin-top: .5rem }
  label { display: flex; justify-content: space-between; gap: 1rem; margin: 0 0 .3rem } select { max-width: 14rem }
  .plot { overflow-x: auto } .plot svg { min-width: 620px } th, td { padding-right: .8rem }
}
</style></head>
"""

NOTHING = """<body><header><h1>Missed falls and false alarms</h1><p><!--NOTE--></p></header></body></html>
"""

PAGE = """<body><header><h1>Missed falls and false alarms</h1><p><!--NOTE--></p>
<label>Data set <select id="dataset"><option value="">all</option><!--DATASETS--></select></label>
<label>Kind <select id="kind"><option value="">all</option><!--KINDS--></select></label>
<label>Activity <select id="activity"><option value="">all</option><!--ACTIVITIES--></select></label>
<button id="sum" type="button">Summary</button>
<button id="back" type="button">Previous</button><button id="on" type="button">Next</button>
<span id="place" role="status"></span>
<span class="key">
<span><svg viewBox="0 0 14 14"><circle class="suspected" cx="7" cy="7" r="4.5"/></svg>suspected</span>
<span><svg viewBox="0 0 14 14"><circle class="confirmed" cx="7" cy="7" r="4.5"/></svg>confirmed</span>
<span><svg viewBox="0 0 14 14"><path class="withdrawn" d="M3 3l8 8m0 -8l-8 8"/></svg>withdrawn</span>
<span><svg viewBox="0 0 14 14"><circle class="silent" cx="7" cy="7" r="3"/></svg>scored, nothing said</span>
<span><svg viewBox="0 0 14 14"><rect class="label" x="1" y="1" width="12" height="12"/></svg>an alarm is right</span>
</span>
</header>
<nav aria-label="Errors"><ol><!--ROWS--></ol></nav>
<main><div id="summary"><!--SUMMARY--></div>
<!--SHEETS-->
<p class="foot" id="foot">A line begins at the impact; the mark at its end is the moment of the decision,
its height the score. An impact without one was turned away at the first look, or gave way to a higher one right
behind it. Arrow keys step.</p>
</main>
<script>
"use strict";
const rows = [...document.querySelectorAll("nav li")], sheets = [...document.querySelectorAll("article")];
const at = id => document.getElementById(id);
const pick = {dataset: at("dataset"), kind: at("kind"), activity: at("activity")};
let now = -1;  // the summary
const listed = () => rows.map((row, i) => i).filter(i => !rows[i].hidden);
function show(i) {
  now = i;
  at("summary").hidden = i !== -1;
  at("foot").hidden = i === -1;
  sheets.forEach((sheet, k) => { sheet.hidden = k !== i; });
  rows.forEach((row, k) => row.firstElementChild.setAttribute("aria-current", String(k === i)));
  const all = listed();
  at("place").textContent = i === -1 ? `${all.length} listed` : `${all.indexOf(i) + 1} of ${all.length}`;
  if (i < 0) return;
  rows[i].scrollIntoView({block: "nearest"});
  const plot = sheets[i].querySelector(".plot");
  plot.scrollLeft = (plot.scrollWidth - plot.clientWidth) / 2;
}
function sift() {
  for (const row of rows)
    row.hidden = Object.entries(pick).some(([name, it]) => it.value && row.dataset[name] !== it.value);
  const all = listed();
  show(all.includes(now) ? now : all.length ? all[0] : -1);
}
function step(by) {
  const all = listed(), to = all[all.indexOf(now) + by];
  if (to !== undefined) show(to);
  else if (by < 0) show(-1);
}
rows.forEach((row, i) => row.addEventListener("click", event => { event.preventDefault(); show(i); }));
for (const button of document.querySelectorAll("#summary button"))
  button.addEventListener("click", () => {
    pick.dataset.value = ""; pick.kind.value = button.dataset.kind; pick.activity.value = button.dataset.activity;
    sift();
  });
Object.values(pick).forEach(it => it.addEventListener("change", sift));
at("sum").addEventListener("click", () => show(-1));
at("back").addEventListener("click", () => step(-1));
at("on").addEventListener("click", () => step(1));
document.addEventListener("keydown", event => {
  if (event.target.tagName === "SELECT") return;
  if (event.key === "ArrowDown" || event.key === "ArrowRight") { step(1); event.preventDefault(); }
  if (event.key === "ArrowUp" || event.key === "ArrowLeft") { step(-1); event.preventDefault(); }
});
show(-1);
</script></body></html>
"""
