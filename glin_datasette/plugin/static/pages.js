// What every page of ours does with the keyboard. Nothing here is needed to use a page.
//
//   /        into the search box          ?       shows the keys
//   j, k     along the items of a page    Enter   opens the current one
//   n, p     to the next or previous hit of a transcript (see transcript.js)
//
// An item is whatever has data-glin-item; its first link, or the link with
// data-glin-open, is what Enter opens. Pages add keys with glin.key(). A button with
// data-glin-keys shows the keys too, and the keys can be switched off there: somebody who
// dictates, or whose hand slips, would set them off without meaning to.
"use strict";

const glin = (() => {
  const OFF = "glin-keys-off";
  const keys = new Map();
  const listed = [];

  const items = () => [...document.querySelectorAll("[data-glin-item]")].filter((item) => item.getClientRects().length);

  function key(name, description, action) {
    keys.set(name, action);
    listed.push([name, description]);
  }

  function go(step) {
    const all = items();
    if (!all.length) return;
    const at = all.findIndex((item) => item.classList.contains("glin-current"));
    const next = at >= 0 ? at + step : step > 0 ? 0 : all.length - 1;
    select(all, Math.max(0, Math.min(all.length - 1, next)));
  }

  function select(all, index) {
    const item = all[index];
    mark(item);
    const link = linkOf(item);
    if (link) link.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest", behavior: "instant" });
  }

  function mark(item) {
    for (const other of document.querySelectorAll(".glin-current")) other.classList.remove("glin-current");
    item.classList.add("glin-current");
  }

  const linkOf = (item) => item.querySelector("a[data-glin-open]") || item.querySelector("a[href]");

  function searchBox() {
    const boxes = [...document.querySelectorAll("input[data-glin-search]")];
    return boxes.find((box) => box.closest(".glin-main")) || boxes[0];
  }

  // Storage may be denied; the keys are on then.
  function off() {
    try {
      return localStorage.getItem(OFF) === "yes";
    } catch {
      return false;
    }
  }

  function switchOff(wanted) {
    try {
      if (wanted) localStorage.setItem(OFF, "yes");
      else localStorage.removeItem(OFF);
    } catch {}
  }

  const make = (name, text, properties = {}) => Object.assign(document.createElement(name), { textContent: text }, properties);

  function help() {
    document.getElementById("glin-help")?.remove();
    const dialog = make("dialog", "", { id: "glin-help" });
    dialog.setAttribute("aria-labelledby", "glin-help-title");
    const list = make("dl", "");
    const along = items().length > 0;
    for (const [name, description, needsItems] of listed) {
      if (needsItems && !along) continue;
      const term = make("dt", "");
      term.append(make("kbd", name));
      list.append(term, make("dd", description));
    }
    const label = make("label", "");
    const box = make("input", "", { type: "checkbox", checked: !off() });
    box.addEventListener("change", () => switchOff(!box.checked));
    label.append(box, " These keys act on this computer");
    const form = make("form", "", { method: "dialog" });
    form.append(make("button", "Close", { className: "glin-button" }));
    dialog.append(make("h2", "Keys", { id: "glin-help-title" }), list, label, form);
    document.body.append(dialog);
    dialog.showModal();
    form.firstChild.focus();
  }

  const PRESSED = /^(button|checkbox|color|file|image|radio|range|reset|submit)$/;
  const typing = (target) =>
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      /^(TEXTAREA|SELECT)$/.test(target.tagName) ||
      (target.tagName === "INPUT" && !PRESSED.test(target.type)));

  // In the capturing phase, since Datasette 1.0 has a meaning of its own for "/".
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]")) return;
      if (typing(event.target)) {
        if (event.key === "Escape" && event.target.matches("[data-glin-search]")) event.target.blur();
        return;
      }
      const action = keys.get(event.key);
      if (!action || off()) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      action(event);
    },
    true,
  );

  // Whoever goes on with Tab, or clicks, goes on from there with j and k.
  document.addEventListener("focusin", (event) => {
    const item = event.target.closest("[data-glin-item]");
    if (item) mark(item);
  });

  key("/", "Go to the search box", () => {
    const box = searchBox();
    if (box) {
      box.focus();
      box.select();
    }
  });
  key("j", "Next item", () => go(1));
  key("k", "Previous item", () => go(-1));
  listed.push(["Enter", "Open the current item"]);
  for (const line of listed.slice(-3)) line.push(true);
  key("?", "Show the keys", help);

  for (const button of document.querySelectorAll("[data-glin-keys]")) {
    button.hidden = false;
    button.addEventListener("click", help);
  }
  // On a phone the navigation is one line that moves sideways.
  document.querySelector(".glin-nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  // Here "/" is ours, so Datasette's menu must not promise it.
  for (const button of document.querySelectorAll("[aria-keyshortcuts='/']")) button.removeAttribute("aria-keyshortcuts");

  return { key, items, select };
})();
window.glin = glin;

// Datasette 0.65 closes every open <details> when something outside of it is clicked. That
// is meant for menus; what a reader unfolded stays open.
(() => {
  let opened = [];
  window.addEventListener("click", () => (opened = [...document.querySelectorAll(".glin-main details[open]")]), true);
  // Behind the listener that closes, which is on the body.
  document.addEventListener("click", () => opened.forEach((details) => (details.open = true)));
})();
