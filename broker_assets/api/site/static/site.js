// What every page does: copy buttons, and the word that says so; maps that open in their place; parts that load, or could
// not be loaded. Pages work without it.
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

  // The list that More opens closes when something else is pressed, and with Escape.
  const more = document.querySelector("details.more");
  document.addEventListener("click", (event) => { if (more && !more.contains(event.target)) more.open = false; });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !more || !more.open) return;
    more.open = false;
    more.querySelector("summary").focus();
  });

  // What failed, at its place, with a button to try again; the rest of the page works on.
  function trouble(place, text, again) {
    well(place);
    const note = document.createElement("p");
    note.className = "note bad trouble";
    note.setAttribute("role", "alert");
    note.append("✗ " + text + " ");
    if (again) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain small";
      button.textContent = "Try again";
      button.addEventListener("click", again);
      note.append(button);
    }
    place.prepend(note);
  }

  function well(place) {
    place.querySelectorAll(":scope > .trouble").forEach((note) => note.remove());
  }

  // A part that is slow is marked at once, and named after 0.3 s.
  const LOADING = "Loading …";
  let waiting;

  function busy(place) {
    place.setAttribute("aria-busy", "true");
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (said.classList.contains("shown")) return; // something else is said
      said.textContent = LOADING;
      said.classList.add("shown");
    }, 300);
  }

  function idle(place) {
    place.removeAttribute("aria-busy");
    clearTimeout(waiting);
    if (said.textContent === LOADING) said.classList.remove("shown");
  }

  // A whole page that is slow to come is waited for in the same way; a file that is saved leaves the page as it is.
  const main = document.getElementById("main");
  let leaving;

  function leave(address) {
    if (address.origin !== location.origin || /^\/(api|static)\/|\.[a-z]+$/i.test(address.pathname)) return;
    busy(main);
    clearTimeout(leaving);
    leaving = setTimeout(() => idle(main), 30000);
  }

  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || (link.hash && link.href.split("#")[0] === location.href.split("#")[0])) return;
    leave(new URL(link.href));
  });
  addEventListener("submit", (event) => {
    if (!event.defaultPrevented && !event.target.target) leave(new URL(event.target.getAttribute("action") || "", location));
  });
  addEventListener("pageshow", () => idle(main));

  function failed(event, why) {
    const { target, requestConfig, pathInfo, boosted } = event.detail;
    const path = pathInfo?.finalRequestPath;
    const again = requestConfig?.verb === "get" && path
      ? () => (boosted ? location.assign(path) : window.htmx.ajax("GET", path, { target, swap: "innerHTML" }))
      : null;
    trouble(target, "This part could not be loaded: " + why + ".", again);
  }

  document.addEventListener("htmx:beforeRequest", (event) => busy(event.detail.target));
  document.addEventListener("htmx:afterRequest", (event) => {
    idle(event.detail.target);
    if (event.detail.successful) well(event.detail.target);
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText } = event.detail.xhr;
    const number = /request ([0-9a-f]{8})/.exec(responseText);
    failed(event, "the server answered " + status + (number ? ", request " + number[1] : ""));
  });
  document.addEventListener("htmx:sendError", (event) => failed(event, "the server cannot be reached"));
  document.addEventListener("htmx:timeout", (event) => failed(event, "the server did not answer in time"));

  // Buttons that need a script are hidden without one.
  document.documentElement.classList.add("scripted");
  window.broker = { say, copy, busy, idle, trouble };
})();
