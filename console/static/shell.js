"use strict";
// What every page does: menus that close, questions before something final, messages, one press for one request.
(() => {
  const body = document.body;
  const words = JSON.parse(body.dataset.words || "{}");

  // A choice stands in the address once; kept there it would be chosen again whenever the page is fetched.
  const here = new URL(location.href);
  for (const name of ["lang", "theme", "type"]) here.searchParams.delete(name);
  if (here.href !== location.href) history.replaceState(history.state, "", here);

  // menus ---------------------------------------------------------------------------------------------------------
  const menus = () => document.querySelectorAll("details[data-menu][open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      const inside = menu.contains(document.activeElement);
      menu.open = false;
      if (inside) menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("focusin", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });

  // a question before something final: data-confirm on the form or its button, or hx-confirm -------------------------
  const dialog = document.getElementById("confirm");
  const yes = document.getElementById("confirm-yes");
  function ask(question, word, then) {
    document.getElementById("confirm-text").textContent = question;
    yes.textContent = word || yes.dataset.word;
    yes.onclick = () => { dialog.close(); then(); };
    dialog.showModal();
  }
  document.getElementById("confirm-no").addEventListener("click", () => dialog.close());
  const asked = new WeakSet();
  document.addEventListener("submit", (event) => {
    const form = event.target, button = event.submitter;
    const source = button && button.dataset.confirm ? button : form;
    if (source.dataset.confirm && !asked.has(form)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(source.dataset.confirm, source.dataset.confirmDo, () => {
        asked.add(form);
        form.requestSubmit(button);
        asked.delete(form);
      });
      return;
    }
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); event.stopImmediatePropagation(); return; }
    form.dataset.sent = "1"; // one press, one request
    setTimeout(() => { delete form.dataset.sent; }, 3000);
  }, true);
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    ask(event.detail.question, event.detail.elt.dataset.confirmDo, () => event.detail.issueRequest(true));
  });

  // messages ------------------------------------------------------------------------------------------------------
  const SYMBOLS = { calm: "circle-check", warning: "circle-alert", critical: "octagon-alert" };
  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `${body.dataset.icons}#${name}`);
    svg.append(use);
    return svg;
  }
  function toast(text, tone) {
    const kind = tone in SYMBOLS ? tone : "calm";
    const box = document.createElement("div");
    const said = document.createElement("span");
    const close = document.createElement("button");
    box.className = `toast ${kind}`;
    said.textContent = text;
    close.type = "button";
    close.className = "toast-close";
    close.setAttribute("aria-label", words["toast.close"]);
    close.append(icon("x"));
    close.addEventListener("click", () => box.remove());
    box.append(icon(SYMBOLS[kind]), said, close);
    document.getElementById("toasts").append(box);
    if (kind === "calm") setTimeout(() => box.remove(), 8000); // what went wrong stays until it is closed
  }
  // on a phone the tabs of a page are wider than it: the one that is open must be seen
  for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
    const row = tab.closest(".tabs");
    row.scrollLeft = tab.offsetLeft - row.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2;
  }
  // an answer to htmx may carry the header HX-Trigger: {"toast": {"text": "...", "tone": "calm"}}
  document.addEventListener("toast", (event) => toast(event.detail.text, event.detail.tone));
  document.addEventListener("htmx:responseError", () => toast(words["toast.failed"], "critical"));
  for (const name of ["htmx:sendError", "htmx:timeout"])
    document.addEventListener(name, () => toast(words["toast.unreachable"], "critical"));
})();
