// While a backup is made or read back: how far it is, without loading the page again and
// again. The page is loaded once more when it is over.
"use strict";

(() => {
  const card = document.querySelector("[data-glin-task]");
  const bar = document.getElementById("glin-progress");
  const said = card.querySelector("[data-glin-done]");

  async function look() {
    try {
      const { task } = await (await fetch(card.dataset.glinTask)).json();
      if (!task || task.state !== "running") {
        location.reload();
        return;
      }
      if (task.total) {
        bar.max = task.total;
        bar.value = task.done;
        said.textContent = `${Math.round((100 * task.done) / task.total)} %`;
      }
    } catch {
      // The server is away for a moment; the next look tells.
    }
    setTimeout(look, 500);
  }
  setTimeout(look, 300);
})();
