"use strict";
// The vital signs of a person, drawn by uPlot from /people/<key>/series: one drawing for each sign, one cursor for all.
(() => {
  const box = document.getElementById("charts");
  if (!box || !window.uPlot) return;
  const words = JSON.parse(box.dataset.say);
  const zone = box.dataset.zone;
  const language = document.documentElement.lang;
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const charts = [];
  const colours = {};
  let height = 192;

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["ink", "soft", "line", "act", "calm", "critical", "urgent", "warning", "info", "card"]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    height = Math.round(parseFloat(style.fontSize) * 12);
    colours.font = `${Math.round(parseFloat(style.fontSize) * 0.75)}px ${style.fontFamily}`;
  }
  function faded(colour, alpha) {
    const n = parseInt(colour.slice(1), 16);
    return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
  }
  const format = (options) => new Intl.DateTimeFormat(language, { timeZone: zone, hourCycle: "h23", ...options });
  const clock = format({ hour: "2-digit", minute: "2-digit" });
  const day = format({ day: "numeric", month: "short" });
  const moment = format({ weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

  // uPlot thinks in one zone; this puts its day boundaries where the wall clock of the homes has them
  const wall = (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), zone);
  function ticks(u, splits) {
    const short = u.scales.x.max - u.scales.x.min <= 2 * 86400;
    return splits.map((at) => (short ? clock : day).format(at * 1000));
  }

  function usualAt(usual, t) {
    if (!usual) return null;
    let found = -1;
    for (let i = 0; i < usual.t.length && usual.t[i] <= t; i++) found = i;
    return found < 0 || t - usual.t[found] > 30 * 3600 ? null : found;
  }

  function bounds(panel) {
    let least = Infinity, most = -Infinity;
    const take = (v) => { if (v !== null && v !== undefined) { least = Math.min(least, v); most = Math.max(most, v); } };
    panel.low.forEach(take);
    panel.high.forEach(take);
    if (panel.usual) { panel.usual.lower.forEach(take); panel.usual.upper.forEach(take); }
    if (panel.id === "score") { least = 0; most = Math.max(most, 8); }
    const room = Math.max((most - least) * 0.08, panel.digits ? 0.2 : 2);
    return [panel.id === "score" ? 0 : least - room, most + room];
  }

  function background(panel, events) {
    return (u) => {
      const { ctx, bbox } = u;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      const y = (value) => u.valToPos(value, "y", true);
      const x = (value) => u.valToPos(value, "x", true);
      for (const [low, high, points] of panel.bands) {
        const top = high === null ? bbox.top : y(high), bottom = low === null ? bbox.top + bbox.height : y(low);
        ctx.fillStyle = faded(points >= 3 ? colours.critical : points === 2 ? colours.urgent : colours.warning, 0.13);
        ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
      }
      const usual = panel.usual;
      if (usual) {
        ctx.fillStyle = faded(colours.calm, 0.22);
        usual.t.forEach((t, i) => {
          const end = Math.min(i + 1 < usual.t.length ? usual.t[i + 1] : Infinity, t + 30 * 3600, u.scales.x.max);
          if (end > u.scales.x.min) ctx.fillRect(x(t), y(usual.upper[i]), x(end) - x(t), y(usual.lower[i]) - y(usual.upper[i]));
        });
      }
      ctx.lineWidth = 1.5 * devicePixelRatio;
      ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
      for (const event of events) {
        ctx.strokeStyle = event.severity === "critical" || event.severity === "urgent" ? colours.critical : colours.info;
        ctx.beginPath();
        ctx.moveTo(x(event.t), bbox.top);
        ctx.lineTo(x(event.t), bbox.top + bbox.height);
        ctx.stroke();
      }
      ctx.restore();
    };
  }

  const number = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));
  function readOut(chart, index) {
    const { panel, out } = chart;
    if (index === null || index === undefined) { out.textContent = panel.unit; return; }
    const low = number(panel.low[index], panel.digits), high = number(panel.high[index], panel.digits);
    const parts = [moment.format(panel.t[index] * 1000)];
    if (panel.mean[index] === null) parts.push(words["chart.nothing"]);
    else parts.push(`${number(panel.mean[index], panel.digits)} ${panel.unit}${low === high ? "" : ` (${low}–${high})`}`);
    const usual = usualAt(panel.usual, panel.t[index]);
    if (usual !== null) {
      const ends = { low: number(panel.usual.lower[usual], panel.digits), high: number(panel.usual.upper[usual], panel.digits) };
      parts.push(fill(words["chart.usual_is"], ends));
    }
    out.textContent = parts.join(" · ");
  }

  function newestOf(panel) {
    let i = panel.mean.length - 1;
    while (i > 0 && panel.mean[i] === null) i--;
    return `${number(panel.mean[i], panel.digits)} ${panel.unit}`;
  }

  function make(panel, drawn) {
    const article = document.createElement("article");
    const title = document.createElement("h3");
    const out = document.createElement("output");
    const area = document.createElement("div");
    article.className = "chart";
    title.textContent = panel.title;
    out.setAttribute("aria-live", "off");
    area.className = "plot-area";
    area.tabIndex = 0;
    area.setAttribute("role", "img");
    title.append(out);
    article.append(title, area);
    box.append(article);
    const chart = { panel, out, area, u: null };
    area.setAttribute("aria-label", `${panel.title}: ${newestOf(panel)}. ${words["chart.keys"]}`);
    readOut(chart, null);
    area.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
      const last = panel.t.length - 1;
      let to = event.key === "Home" ? 0 : event.key === "End" ? last : null;
      if (step) to = Math.min(last, Math.max(0, (chart.u.cursor.idx ?? last) + step));
      if (to === null) return;
      event.preventDefault();
      out.setAttribute("aria-live", "polite");
      chart.u.setCursor({ left: chart.u.valToPos(panel.t[to], "x"), top: chart.u.over.clientHeight / 2 }, true, true);
    });
    area.addEventListener("blur", () => { out.setAttribute("aria-live", "off"); });
    chart.draw = () => plot(chart, drawn);
    charts.push(chart);
  }

  // a value with nothing on either side is no line: it is a dot, however many others there are
  function alone(u, series, show) {
    if (show) return null;
    const values = u.data[series], found = [];
    for (let i = 0; i < values.length; i++) {
      if (values[i] !== null && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null) found.push(i);
    }
    return found;
  }

  function plot(chart, drawn) {
    const { panel, area } = chart;
    if (chart.u) chart.u.destroy();
    const edge = { scale: "y", width: 0, points: { show: false } };
    const series = [{}, { ...edge }, { ...edge }, { scale: "y", stroke: colours.act, width: 2, points: { size: 5, fill: colours.act, filter: alone } }];
    const axis = { stroke: colours.soft, font: colours.font, grid: { stroke: colours.line, width: 1 }, ticks: { stroke: colours.line, width: 1 } };
    chart.u = new window.uPlot({
      width: area.clientWidth,
      height,
      tzDate: wall,
      series,
      bands: [{ series: [2, 1], fill: faded(colours.act, 0.28) }],
      legend: { show: false },
      cursor: { sync: { key: "person", setSeries: false }, drag: { x: true, y: false }, points: { show: true } },
      scales: { x: { time: true, range: [drawn.from, drawn.to] }, y: { range: bounds(panel) } },
      axes: [{ ...axis, values: ticks, space: 70 }, { ...axis, size: 46 }],
      hooks: {
        drawAxes: [background(panel, drawn.events)],
        setCursor: [(u) => readOut(chart, u.cursor.left >= 0 ? u.cursor.idx : null)],
      },
    }, [panel.t, panel.low, panel.high, panel.mean], area);
  }

  function listEvents(events) {
    if (!events.length) return;
    const list = document.createElement("ul");
    list.className = "marks";
    list.setAttribute("aria-label", words["chart.marks_in"]);
    for (const event of events) {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = event.address;
      link.textContent = `${moment.format(event.t * 1000)} ${event.text}`;
      item.append(link);
      list.append(item);
    }
    box.append(list);
  }

  function redraw() { readColours(); for (const chart of charts) chart.draw(); }

  async function start() {
    readColours();
    const wait = box.querySelector("[data-wait]");
    try {
      const answer = await fetch(box.dataset.series, { headers: { accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const drawn = await answer.json();
      wait.remove();
      for (const panel of drawn.panels) make(panel, drawn);
      listEvents(drawn.events);
      for (const chart of charts) chart.draw(); // once all are there, since they share the width
    } catch {
      wait.textContent = words["chart.failed"];
      document.getElementById("readings").open = true;
      return;
    }
    box.dataset.drawn = String(charts.length);
    let width = box.clientWidth;
    new ResizeObserver(() => {
      if (box.clientWidth === width) return;
      width = box.clientWidth;
      for (const chart of charts) chart.u.setSize({ width: chart.area.clientWidth, height });
    }).observe(box);
    dark.addEventListener("change", redraw);
    window.addEventListener("beforeprint", redraw);
  }
  start();
})();
