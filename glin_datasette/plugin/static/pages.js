// What every page of ours does with the keyboard. Nothing here is needed to use a page.
//
//   /        into the search box          ?       shows the keys
//   j, k     along the items of a page    Enter   opens the current one
//   n, p     to the next or previous hit of a transcript (see transcript.js)
//
// An item is whatever has data-glin-item; its first link, or the link with
// data-glin-open, is what Enter opens. Pages add keys with glin.key().
"use strict";

const glin = (() => {
  const keys = new Map();
  const listed = [];
  let current = -1;

  const items = () => [...document.querySelectorAll("[data-glin-item]")].filter((item) => item.getClientRects().length);

  function key(name, description, action) {
    keys.set(name, action);
    listed.push([name, description]);
  }

  function go(step) {
    const all = items();
    if (!all.length) return;
    const marked = all.findIndex((item) => item.classList.contains("glin-current"));
    current = marked >= 0 ? marked + step : step > 0 ? 0 : all.length - 1;
    select(all, Math.max(0, Math.min(all.length - 1, current)));
  }

  function select(all, index) {
    for (const item of all) item.classList.remove("glin-current");
    const item = all[index];
    item.classList.add("glin-current");
    const link = linkOf(item);
    if (link) link.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
  }

  const linkOf = (item) => item.querySelector("a[data-glin-open]") || item.querySelector("a[href]");

  function searchBox() {
    const boxes = [...document.querySelectorAll("input[data-glin-search]")];
    return boxes.find((box) => box.closest(".glin-main")) || boxes[0];
  }

  function help() {
    let dialog = document.getElementById("glin-help");
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.id = "glin-help";
      dialog.setAttribute("aria-labelledby", "glin-help-title");
      const title = document.createElement("h2");
      title.id = "glin-help-title";
      title.textContent = "Keys";
      const list = document.createElement("dl");
      for (const [name, description] of listed) {
        const dt = document.createElement("dt");
        const kbd = document.createElement("kbd");
        kbd.textContent = name;
        dt.append(kbd);
        const dd = document.createElement("dd");
        dd.textContent = description;
        list.append(dt, dd);
      }
      const form = document.createElement("form");
      form.method = "dialog";
      const close = document.createElement("button");
      close.className = "glin-button";
      close.textContent = "Close";
      form.append(close);
      dialog.append(title, list, form);
      document.body.append(dialog);
    }
    if (!dialog.open) dialog.showModal();
  }

  const typing = (target) =>
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

  // In the capturing phase, since Datasette 1.0 has a meaning of its own for "/".
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (typing(event.target)) {
        if (event.key === "Escape" && event.target.matches("[data-glin-search]")) event.target.blur();
        return;
      }
      if (document.querySelector("dialog[open]")) return;
      const action = keys.get(event.key);
      if (!action) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      action(event);
    },
    true,
  );

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
  key("?", "Show the keys", help);

  return { key, items, select };
})();
window.glin = glin;
