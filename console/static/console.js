"use strict";
// Keeps a page up to date: listens for revisions, fetches the page again and exchanges what differs; runs the clocks.
(() => {
  const body = document.body;
  const words = JSON.parse(body.dataset.words || "{}");
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  const live = document.getElementById("live");
  const announcer = document.getElementById("announce");
  let skewMs = Number(body.dataset.now) - Date.now(); // our clock is the server's
  let shownMs = Number(body.dataset.now);
  const now = () => Date.now() + skewMs;

  const clockFormat = new Intl.DateTimeFormat(document.documentElement.lang,
    { timeStyle: "medium", hourCycle: "h23", timeZone: body.dataset.zone });
  const clockTime = (ms) => clockFormat.format(ms);

  // clocks ------------------------------------------------------------------------------------------------------
  const pad = (n) => String(n).padStart(2, "0");
  function stopwatch(ms) {
    const s = Math.max(0, Math.floor(ms / 1000)), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    return h ? `${h}:${pad(m)}:${pad(s % 60)}` : `${m}:${pad(s % 60)}`;
  }
  function ago(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]])
      if (s >= size) return fill(words["ago." + unit], { n: Math.floor(s / size) });
    return words["ago.now"];
  }
  function put(node, text) { if (node.textContent !== text) node.textContent = text; }
  function tick() {
    const t = now();
    for (const node of document.querySelectorAll("[data-tick]")) {
      if (node.dataset.tick === "now") { put(node, clockTime(t)); continue; }
      const since = t - Number(node.dataset.at);
      if (node.dataset.tick === "ago") put(node, ago(since));
      else if (node.dataset.tick === "watch") put(node, stopwatch(since));
      else {
        node.value = Math.min(node.max, since / 1000);
        node.closest(".clocked").classList.toggle("over", since / 1000 > node.max);
      }
    }
  }
  setInterval(tick, 500);

  // exchanging what differs ------------------------------------------------------------------------------------
  function essence(node) { // the same for two renderings that differ by the time of day only
    const copy = node.cloneNode(true);
    copy.classList.remove("over");
    for (const inner of copy.querySelectorAll("[data-tick]")) { inner.textContent = ""; inner.removeAttribute("value"); }
    for (const inner of copy.querySelectorAll(".clocked")) inner.classList.remove("over");
    for (const inner of copy.querySelectorAll("details")) inner.removeAttribute("open");
    return copy.outerHTML;
  }
  const origin = new WeakMap();
  const essenceOf = (node) => { if (!origin.has(node)) origin.set(node, essence(node)); return origin.get(node); };
  document.querySelectorAll("[data-key], [data-part]").forEach(essenceOf);
  function exchange(old, fresh) {
    if (essenceOf(old) === essenceOf(fresh)) return old;
    const active = old.contains(document.activeElement) ? document.activeElement.id : "";
    for (const field of old.querySelectorAll("select, textarea, input")) {
      const same = fresh.querySelector(`[name="${CSS.escape(field.name)}"]`);
      if (same) same.value = field.value;
    }
    old.querySelectorAll("details[open]").forEach((open) => {
      const same = fresh.querySelector(`details[id="${CSS.escape(open.id)}"]`);
      if (same) same.open = true;
    });
    old.replaceWith(fresh);
    if (window.htmx) window.htmx.process(fresh);
    if (active) (document.getElementById(active) || document.getElementById("main")).focus({ preventScroll: true });
    return fresh;
  }
  function merge(fresh) {
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (other) exchange(part, document.adoptNode(other));
    }
    const seen = new Set([...document.querySelectorAll("[data-key]")].map((node) => node.dataset.key));
    const arrived = [];
    for (const list of document.querySelectorAll("[data-list]")) {
      const other = fresh.querySelector(`[data-list="${list.dataset.list}"]`);
      if (!other) continue;
      const mine = new Map([...list.children].map((node) => [node.dataset.key, node]));
      const wanted = [...other.children];
      const keys = new Set(wanted.map((node) => node.dataset.key));
      for (const [key, node] of mine) if (!keys.has(key)) { keepFocus(node); node.remove(); }
      wanted.forEach((node, place) => {
        const key = node.dataset.key;
        let here = mine.get(key);
        if (here) here = exchange(here, document.adoptNode(node));
        else {
          here = document.adoptNode(node);
          if (list.dataset.list === "waiting" && !seen.has(key)) arrived.push(here);
        }
        if (list.children[place] !== here) list.insertBefore(here, list.children[place] || null);
      });
    }
    body.dataset.revision = fresh.body.dataset.revision;
    body.dataset.title = fresh.body.dataset.title;
    tick();
    if (arrived.length) announce(arrived);
    else if (!flashing) document.title = body.dataset.title;
  }
  function keepFocus(node) {
    if (node.contains(document.activeElement)) document.getElementById("main").focus({ preventScroll: true });
  }

  // a new one: said, in the title, and heard where that is wanted ------------------------------------------------
  let flashing = 0;
  function announce(cards) {
    const what = cards[0].dataset.what;
    announcer.textContent = cards.map((card) => fill(words["announce.new"], { what: card.dataset.say })).join(" ");
    clearInterval(flashing);
    let on = false;
    flashing = setInterval(() => {
      on = !on;
      document.title = on ? fill(words["title.new"], { what }) : body.dataset.title;
    }, 1000);
    document.title = fill(words["title.new"], { what });
    if (document.hasFocus()) setTimeout(calm, 5000);
    beep();
  }
  function calm() { clearInterval(flashing); flashing = 0; document.title = body.dataset.title; }
  for (const name of ["focus", "pointerdown", "keydown"]) window.addEventListener(name, () => { if (flashing) calm(); });

  const soundButton = document.getElementById("sound");
  const store = { // a browser may forbid it
    get: () => { try { return localStorage.getItem("sound") === "1"; } catch { return false; } },
    set: (on) => { try { localStorage.setItem("sound", on ? "1" : "0"); } catch { /* off at the next visit */ } },
  };
  let audio = null;
  let sound = store.get();
  function showSound() {
    if (!soundButton) return;
    const blocked = sound && (!audio || audio.state !== "running");
    soundButton.hidden = false;
    soundButton.setAttribute("aria-pressed", String(sound));
    put(soundButton.querySelector("span"), words[sound ? (blocked ? "sound.ask" : "sound.on") : "sound.off"]);
    soundButton.querySelector("use").setAttribute("href", `${body.dataset.icons}#volume-${sound ? 2 : "x"}`);
  }
  async function openAudio() {
    audio = audio || new AudioContext();
    await audio.resume();
    showSound();
  }
  function beep() {
    if (!sound || !audio || audio.state !== "running") return;
    [0, 0.25, 0.5].forEach((at, n) => {
      const tone = audio.createOscillator(), gain = audio.createGain(), start = audio.currentTime + at;
      tone.frequency.value = n === 1 ? 660 : 880;
      gain.gain.setValueAtTime(0.25, start);
      gain.gain.exponentialRampToValueAtTime(0.001, start + 0.2);
      tone.connect(gain).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.22);
    });
  }
  if (soundButton) {
    soundButton.addEventListener("click", async () => {
      const blocked = sound && (!audio || audio.state !== "running");
      if (!blocked) { sound = !sound; store.set(sound); }
      showSound();
      if (sound) { await openAudio(); beep(); }
    });
    if (sound) window.addEventListener("pointerdown", openAudio, { once: true });
    showSound();
  }

  // the stream ---------------------------------------------------------------------------------------------------
  const token = JSON.parse(body.getAttribute("hx-headers") || "{}")["x-csrf-token"] || "";
  const onBoard = document.querySelector("[data-list=waiting]") !== null && "DecompressionStream" in window;
  const QUIET_MS = 2.5 * Number(body.dataset.heartbeat) * 1000;
  let source = null;
  let heardMs = Date.now();
  let fetching = false;
  let wanted = null;
  let stale = false;
  let lost = false;
  function showLive() {
    live.hidden = !(lost || stale);
    if (!live.hidden) put(live, fill(words[lost ? "live.lost" : "live.stale"], { time: clockTime(shownMs) }));
  }
  function heard(event) {
    heardMs = Date.now();
    if (event.data > 1) skewMs = Number(event.data) - Date.now();
    if (lost) { lost = false; showLive(); }
  }
  function take(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    // the cards are the same for all who read them: each puts its own token in
    for (const field of fresh.querySelectorAll("input[name=csrf]")) field.setAttribute("value", token);
    merge(fresh);
    shownMs = now();
  }
  async function refresh(revision) {
    wanted = revision;
    if (fetching || wanted === body.dataset.revision) return;
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html", "x-part": "1" }, cache: "no-store",
        signal: AbortSignal.timeout(10000) });
      if (answer.status === 401) return location.reload(); // to the login, and back here
      if (!answer.ok) throw new Error(String(answer.status));
      take(await answer.text());
    } catch {
      setTimeout(() => refresh(wanted), 1000);
    } finally {
      fetching = false;
    }
    if (wanted !== body.dataset.revision) setTimeout(() => refresh(wanted), 200);
  }
  function connect() {
    if (source) source.close();
    heardMs = Date.now();
    source = new EventSource(onBoard ? `/events?board=1&${location.search.slice(1)}` : "/events");
    source.addEventListener("board", async (event) => { // with the cards in it, packed
      heardMs = Date.now();
      if (lost) { lost = false; showLive(); }
      wanted = event.lastEventId;
      try {
        const packed = Uint8Array.from(atob(event.data), (letter) => letter.charCodeAt(0));
        const text = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
        if (wanted === event.lastEventId && wanted !== body.dataset.revision) take(text);
      } catch {
        refresh(wanted);
      }
    });
    source.addEventListener("again", connect); // who may see what is looked at anew
    source.addEventListener("beat", heard);
    source.addEventListener("revision", (event) => { heard(event); refresh(event.lastEventId); });
    source.addEventListener("stale", (event) => { heardMs = Date.now(); stale = event.data === "1"; showLive(); });
    source.addEventListener("logout", () => location.reload());
    source.addEventListener("error", async () => {
      lost = true;
      showLive();
      const answer = await fetch("/session").catch(() => null);
      if (answer && answer.status === 401) location.reload();
    });
  }
  if (live) {
    connect();
    setInterval(() => { // asleep, a dead connection that says nothing, or one that the browser has given up
      if (Date.now() - heardMs > QUIET_MS || source.readyState === EventSource.CLOSED) {
        lost = true;
        showLive();
        connect();
      }
    }, 2000);
    window.addEventListener("online", connect);
    window.addEventListener("offline", connect); // it fails at once, unless the console is on this machine
    window.addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && Date.now() - heardMs > QUIET_MS / 2) connect();
    });
  }
  tick();
})();
