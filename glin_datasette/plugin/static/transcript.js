// Reading a transcript: the words that a search found, n and p between its hits, copying,
// and the outline, which shows where one is. The page is whole without it.
"use strict";

(() => {
  const transcript = document.querySelector(".t-transcript");
  if (!transcript) return;

  // A message inside of a folded one can be the target of an address.
  function reveal() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const inside = target.querySelector(":scope > details");
    if (inside) inside.open = true;
    target.scrollIntoView({ block: "start" });
  }
  window.addEventListener("hashchange", reveal);
  reveal();

  const outline = document.querySelector(".t-outline details");
  if (outline && window.matchMedia("(max-width: 72rem)").matches) outline.open = false;

  for (const button of document.querySelectorAll("[data-glin-copy]")) {
    const source = document.getElementById(button.dataset.glinCopy);
    if (!source || !navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const label = button.textContent;
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select it and copy";
      }
      setTimeout(() => (button.textContent = label), 2000);
    });
  }

  // --- hits ---
  const hits = [...document.querySelectorAll(".t-hit-of")];
  if (!hits.length) return;

  const words = (transcript.dataset.query.match(/"[^"]+"|[^\s"]+/g) || [])
    .filter((word) => !/^-|^OR$|^[a-z]+:/i.test(word))
    .map((word) => word.replace(/["*]/g, "").trim())
    .filter(Boolean)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/[\s_/.-]+/g, "[\\s\\W_]+"));
  if (words.length && window.CSS && CSS.highlights) {
    const pattern = new RegExp(words.join("|"), "gi");
    const found = new Highlight();
    for (const message of document.querySelectorAll(".t-hit")) {
      const walker = document.createTreeWalker(message, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (node.parentElement.closest(".t-hit-of")) continue;
        for (const match of node.data.matchAll(pattern)) {
          if (!match[0]) continue;
          const range = new Range();
          range.setStart(node, match.index);
          range.setEnd(node, match.index + match[0].length);
          found.add(range);
        }
      }
    }
    CSS.highlights.set("glin-found", found);
  }

  // The link of the hit that was gone to last leads on, so that the keys and the links do
  // the same, other pages included.
  function go(rel, fallback) {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const here = target && target.querySelector(".t-hit-of");
    const link = here ? here.querySelector(`a[rel=${rel}]`) : fallback;
    if (link) location.href = link.href;
  }
  const first = document.querySelector("[data-glin-first-hit]");
  glin.key("n", "Next hit", () => go("next", first));
  glin.key("p", "Previous hit", () => go("prev", null));
})();
