// The links of a chart are one stop of the tab key; the arrow keys walk them.
"use strict";

for (const chart of document.querySelectorAll("[data-glin-arrows]")) {
  const links = [...chart.querySelectorAll("a")];
  if (!links.length) continue;
  let current = links.length - 1;
  links[current].setAttribute("tabindex", "0");

  const move = (to) => {
    links[current].setAttribute("tabindex", "-1");
    current = Math.max(0, Math.min(links.length - 1, to));
    links[current].setAttribute("tabindex", "0");
    links[current].focus();
    links[current].scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  chart.addEventListener("keydown", (event) => {
    const to = {
      ArrowLeft: current - 1,
      ArrowUp: current - 1,
      ArrowRight: current + 1,
      ArrowDown: current + 1,
      Home: 0,
      End: links.length - 1,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(to);
  });
  // One that was clicked or reached otherwise is the current one.
  chart.addEventListener("focusin", (event) => {
    const at = links.indexOf(event.target.closest("a"));
    if (at < 0 || at === current) return;
    links[current].setAttribute("tabindex", "-1");
    current = at;
    links[current].setAttribute("tabindex", "0");
  });
}
