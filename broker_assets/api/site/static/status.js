// The service page renews itself every few seconds.
"use strict";
(() => {
  const seen = document.getElementById("seen"), when = document.getElementById("when");
  const every = 1000 * Number(seen.dataset.every);

  async function look() {
    if (document.hidden) return;
    try {
      const answer = await fetch("/fragment", { cache: "no-store", signal: AbortSignal.timeout(15000) });
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      // Keep text that the reader has selected.
      if (getSelection().isCollapsed) seen.innerHTML = text;
      when.textContent = "";
      when.className = "faint";
      document.title = (seen.querySelector(".verdict.bad") ? "✗ " : "") + "Service · Broker";
    } catch (error) {
      when.textContent = "No answer from the broker; this page may be out of date.";
      when.className = "bad";
    }
  }

  setInterval(look, every);
  document.addEventListener("visibilitychange", look);
})();
