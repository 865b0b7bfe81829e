// The editor of filters: names are put where the cursor is, and problems lead to their place. It works without.
"use strict";
(() => {
  const text = document.getElementById("text");
  if (!text) return;

  function put(name) {
    text.focus();
    text.setRangeText(name, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function go(line, column) {
    const lines = text.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    const at = Math.min(before + column - 1, text.value.length);
    const word = /^\w+/.exec(text.value.slice(at));
    text.focus();
    text.setSelectionRange(at, at + (word ? word[0].length : 1));
  }

  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-insert]");
    if (name) put(name.dataset.insert);
    const place = event.target.closest("[data-line]");
    if (place) go(Number(place.dataset.line), Number(place.dataset.column));
  });
})();
