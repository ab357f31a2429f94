"""The page of the report without its content. Below 40 rem every row of a table becomes a card."""

TEMPLATE = """<!doctype html>
<html lang="{{ language }}"><head><meta charset="utf-8">
<title>{{ words.title }} · {{ report.area_name }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; --page: #f1f3f6; --card: #fff; --ink: #16191d; --soft: #4a525c; --line: #cfd5dc;
  --blue: #0b57d0; --pale: #7fa8dc; --bad: #b3261e; --bad-bg: #fdebe9; --good: #1a6b3c; --good-bg: #e5f3ea }
@media (prefers-color-scheme: dark) { :root { --page: #0f1216; --card: #191e24; --ink: #eceff3; --soft: #b3bbc6;
  --line: #333b45; --blue: #8ab4ff; --pale: #4a6ea8; --bad: #ffb4ab; --bad-bg: #4a1612; --good: #8fd8ab;
  --good-bg: #143322 } }
* { box-sizing: border-box }
html { font: 100%/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; -webkit-text-size-adjust: 100% }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--page); color: var(--ink);
  overflow-wrap: anywhere }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 0 0 .6rem } p { margin: .3rem 0 }
.soft, small { color: var(--soft) } small { font-size: .82rem }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem;
  margin-top: 1rem }
.tiles { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); margin-top: 1rem }
.tiles section { margin: 0 } .tiles b { display: block; font-size: 2rem; line-height: 1.2 }
.tag { display: inline-block; border-radius: 1rem; padding: .05rem .55rem; font-size: .82rem; font-weight: 600 }
.tag.met { color: var(--good); background: var(--good-bg) } .tag.missed { color: var(--bad); background: var(--bad-bg) }
dl { display: grid; gap: .5rem 2rem; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); margin: 0 }
dt { color: var(--soft); font-size: .85rem } dd { margin: 0; font-weight: 600 }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)) }
svg { width: 100%; height: auto; display: block; font-size: 12px } svg text { fill: var(--soft) }
.m { text-anchor: middle } .e { text-anchor: end } path { fill: none } .grid { stroke: var(--line) }
.curve { stroke: var(--blue); stroke-width: 2.2 } .limit { stroke: var(--soft); stroke-dasharray: 3 3 }
.goal { stroke: var(--bad); stroke-width: 2.5 }
rect.soon { fill: var(--blue) } rect.late { fill: var(--pale) } rect.never { fill: var(--bad) }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .4rem 0 0; padding: 0; list-style: none;
  font-size: .85rem; color: var(--soft) }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin-right: .35rem;
  vertical-align: -.08rem }
i.soon { background: var(--blue) } i.late { background: var(--pale) } i.never { background: var(--bad) }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 600; font-size: .82rem; color: var(--soft); vertical-align: bottom }
th, td { padding: .35rem .7rem .35rem 0; overflow-wrap: break-word }
td { border-top: 1px solid var(--line); vertical-align: top }
td.n, th.n { text-align: right } .missed { color: var(--bad) } td small { display: block }
td.n.missed { font-weight: 600 } .deep { display: inline-block }
@media (max-width: 40rem) {
  body { padding: .7rem } section { padding: .7rem .8rem } .tiles { grid-template-columns: 1fr 1fr; gap: .6rem }
  .tiles b { font-size: 1.5rem }
  thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden }
  table, tbody { display: block }
  tr { display: grid; grid-template-columns: 1fr 1fr; gap: .25rem 1rem; border-top: 1px solid var(--line);
    padding: .5rem 0 }
  td, td.n { border: 0; padding: 0; text-align: left; display: block } td:first-child { grid-column: 1 / -1;
    font-weight: 600 }
  td:not(:first-child)::before { content: attr(data-name); display: block; color: var(--soft); font-size: .78rem;
    font-weight: 400 }
  td small { display: inline } svg { font-size: 16px }
}
@media print { body { max-width: none; background: #fff } section { break-inside: avoid } }
</style></head>
<body>
{% macro figures(counts) %}
{% for key, one, state in cells(counts) %}
{% set shown = share(one) %}
<td class="n {{ state if state == 'missed' }}" data-name="{{ words[key] }}">{{ shown.value }}
 <small>{{ shown.of }}</small></td>
{% endfor %}
<td class="n" data-name="{{ words.median }}">{{ took(counts.answer_s) }}</td>
{% endmacro %}
{% macro headings() %}
<th class="n">{{ words.answered_60 }}</th><th class="n">{{ words.answered_180 }}</th><th class="n">{{ words.door }}</th>
<th class="n">{{ words.median }}</th>
{% endmacro %}
<header>
<h1>{{ words.title }}: {{ report.area_name }}</h1>
<p class="soft">{{ words.period.format(from_=at(report.from_ms), to=at(report.to_ms), zone=report.zone.key) }} ·
{{ words.made.format(at=at(report.made_ms)) }}</p>
</header>
{% if not report.total.count %}
<section><p>{{ words.nothing }}</p>
<p class="soft">{{ words.tests }}: {{ report.tests }}</p></section>
{% else %}
<div class="tiles">
{% for tile in tiles %}
<section><span>{{ tile.name }}</span><b>{{ tile.value }}</b>
{% if tile.state %}<span class="tag {{ tile.state }}">{{ words[tile.state] }}</span>{% endif %}
{% if tile.goal %}<small>{{ tile.goal }}</small>{% endif %}
<p><small>{{ tile.detail }}</small></p></section>
{% endfor %}
</div>
<section><dl>
{% for name, value in facts %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}
</dl></section>
<section class="plots">
{% if answer_plot %}<div><h2>{{ words['plot.answer'] }}</h2>{{ answer_plot }}</div>{% endif %}
{% if hour_plot %}<div><h2>{{ words['plot.hour'] }}</h2>{{ hour_plot }}
<ul class="key"><li><i class="soon"></i>{{ words['plot.soon'] }}</li>
<li><i class="late"></i>{{ words['plot.late'] }}</li>
<li><i class="never"></i>{{ words['plot.never'] }}</li></ul></div>{% endif %}
</section>
<section><h2>{{ words.providers }}</h2>
<table><thead><tr><th>{{ words.provider }}</th><th class="n">{{ words.rating }}</th><th class="n">{{ words.calls }}</th>
{{ headings() }}</tr></thead><tbody>
{% for row in report.providers %}
<tr><td>{{ row.name or words.no_provider }}</td>
<td class="n" data-name="{{ words.rating }}">{% if row.rating %}{{ row.rating.grade }}
 <small>{{ '%.1f' | format(row.rating.score) }}</small>{% else %}{{ words.too_few }}{% endif %}</td>
<td class="n" data-name="{{ words.calls }}">{{ row.calls.count }}</td>{{ figures(row.calls) }}</tr>
{% endfor %}
</tbody></table></section>
<section><h2>{{ words.areas }}</h2><p class="soft">{{ words['areas.note'] }}</p>
<table><thead><tr><th>{{ words.area }}</th><th class="n">{{ words.incidents }}</th>
{{ headings() }}<th class="n">{{ words.false_alarms }}</th></tr></thead><tbody>
{% for row in report.areas %}
<tr><td><span class="deep" style="padding-left:{{ row.depth * 0.9 }}rem">{{ row.name }}</span></td>
<td class="n" data-name="{{ words.incidents }}">{{ row.incidents.count }}</td>{{ figures(row.incidents) }}
{% set wrong = share(row.incidents.false_alarms) %}
<td class="n" data-name="{{ words.false_alarms }}">{{ wrong.value }} <small>{{ wrong.of }}</small></td></tr>
{% endfor %}
</tbody></table></section>
<section><h2>{{ words.responders }}</h2>
<table><thead><tr><th>{{ words.responder }}</th><th>{{ words.provider }}</th><th class="n">{{ words.calls }}</th>
{{ headings() }}<th class="n">{{ words.taken }}</th><th class="n">{{ words.unreached }}</th></tr></thead><tbody>
{% for row in report.responders %}
<tr><td>{{ row.name }}</td><td data-name="{{ words.provider }}">{{ row.provider or '–' }}</td>
<td class="n" data-name="{{ words.calls }}">{{ row.calls.count }}</td>{{ figures(row.calls) }}
<td class="n" data-name="{{ words.taken }}">{{ row.calls.taken }}</td>
<td class="n {{ 'missed' if row.calls.unreached }}" data-name="{{ words.unreached }}">{{ row.calls.unreached }}</td>
</tr>
{% endfor %}
</tbody></table></section>
<section><h2>{{ words.hours }}</h2>
<table><thead><tr><th>{{ words.hour }}</th><th class="n">{{ words.incidents }}</th>
{{ headings() }}</tr></thead><tbody>
{% for row in report.hours %}
{% if row.count %}
<tr><td>{{ '%02d:00' | format(loop.index0) }}</td><td class="n" data-name="{{ words.incidents }}">{{ row.count }}</td>
{{ figures(row) }}</tr>
{% endif %}
{% endfor %}
</tbody></table></section>
<section><h2>{{ words.never }}</h2>
{% if unreached %}
<table><thead><tr><th>{{ words.opened }}</th><th>{{ words.kind }}</th><th>{{ words.person }}</th>
<th>{{ words.area }}</th><th class="n">{{ words.reached }}</th><th class="n">{{ words.waited }}</th></tr></thead><tbody>
{% for row in unreached %}
<tr><td>{{ at(row.opened_ms) }}</td><td data-name="{{ words.kind }}">{{ kind(row.kind) }}</td>
<td data-name="{{ words.person }}">{{ row.person or '–' }}</td><td data-name="{{ words.area }}">{{ row.area }}</td>
<td class="n" data-name="{{ words.reached }}">{{ row.called }}, {{ row.reached }}</td>
<td class="n" data-name="{{ words.waited }}">{{ duration(row.open_s) }}
 {% if row.still %} <small>{{ words.still }}</small>
{% endif %}</td></tr>
{% endfor %}
</tbody></table>{% if more %}<p class="soft">+ {{ more }}</p>{% endif %}
{% else %}<p>{{ words['never.none'] }}</p>{% endif %}
</section>
<section><h2>{{ words.silent }}</h2>
{% if report.silent %}<ul>
{% for row in report.silent %}
<li>{{ row.name }}{{ ' (' ~ row.provider ~ ')' if row.provider }}: {{ row.calls.count }}</li>
{% endfor %}</ul>
{% else %}<p>{{ words['silent.none'] }}</p>{% endif %}
</section>
{% endif %}
<section><h2>{{ words.how }}</h2><p>{{ words['how.1'] }}</p><p>{{ words['how.2'] }}</p>
<p>{{ words['how.3'].format(least=least) }}</p><p>{{ words['how.4'] }}</p></section>
</body></html>
"""
