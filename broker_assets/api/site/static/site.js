// What every page does: copy buttons, and the word that says so; maps that open in their place. Pages work without it.
"use strict";
(() => {
  const said = document.getElementById("said");
  let hide;

  function say(text) {
    said.textContent = text;
    said.classList.add("shown");
    clearTimeout(hide);
    hide = setTimeout(() => said.classList.remove("shown"), 4000);
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without HTTPS browsers have no clipboard but this one.
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    say("Copied: " + text);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    const map = event.target.closest("[data-frame]");
    if (map && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      const frame = document.createElement("iframe");
      frame.src = map.href;
      frame.title = map.dataset.frame;
      frame.className = "map";
      frame.loading = "lazy";
      map.closest(".map-place").replaceChildren(frame);
    }
    if (button) copy(button.dataset.copy === "" ? location.href : button.dataset.copy);
  });

  // Buttons that need a script are hidden without one.
  document.documentElement.classList.add("scripted");
  window.broker = { say, copy };
})();
