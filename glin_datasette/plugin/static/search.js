// Results while one types. The page works without this: it is a form.
//
// The server is asked for the same page's results alone (?fragment=1) and makes the HTML.
// What comes late, after a newer question was asked, is dropped.
"use strict";

(() => {
  const form = document.querySelector("form[data-glin-live]");
  const place = form && document.getElementById(form.dataset.glinLive);
  const box = form && form.elements.q;
  const status = document.getElementById("glin-said");
  if (!place || !box) return;

  const PAUSE = 150;
  let timer = 0;
  let asked = null; // The request that is on its way.
  let shown = box.value.trim();

  function address() {
    const url = new URL(form.action);
    const fields = new FormData(form);
    for (const [name, value] of fields) {
      if (value && !(name === "sort" && value === "rank")) url.searchParams.set(name, value);
    }
    return url;
  }

  async function ask() {
    const page = address();
    const url = new URL(page);
    url.searchParams.set("fragment", "1");
    url.searchParams.set("typing", "1"); // The last word may be unfinished.
    if (asked) asked.abort();
    const mine = (asked = new AbortController());
    place.firstElementChild?.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(url, { signal: mine.signal, credentials: "same-origin" });
      const html = await response.text();
      if (mine !== asked) return;
      // An error has a page of its own: let the browser show it.
      if (!response.ok) return;
      place.innerHTML = html;
      history.replaceState(history.state, "", page);
      tell();
    } catch (error) {
      if (error.name !== "AbortError") place.firstElementChild?.removeAttribute("aria-busy");
    } finally {
      if (mine === asked) {
        asked = null;
        place.firstElementChild?.removeAttribute("aria-busy");
      }
    }
  }

  function tell() {
    const results = place.firstElementChild;
    if (!results) return;
    status.textContent = results.dataset.glinSaid;
    document.title = results.dataset.glinTitle;
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const said = box.value.trim();
      if (said === shown) return;
      shown = said;
      ask();
    }, PAUSE);
  }

  // While an input method is composing, what stands in the box is not yet said.
  box.addEventListener("input", (event) => event.isComposing || soon());
  box.addEventListener("compositionend", soon);
  form.elements.sort.addEventListener("change", () => ask());
  form.addEventListener("submit", () => {
    clearTimeout(timer);
    if (asked) asked.abort();
  });
})();
