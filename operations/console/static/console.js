// What a page can do more with JavaScript; every page reads without it.
"use strict";

const isDark = () =>
  (document.documentElement.dataset.theme ||
    (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

const isPaused = () => sessionStorage.getItem("paused") === "yes";

function showPause() {
  for (const button of document.querySelectorAll("[data-pause]")) {
    button.setAttribute("aria-pressed", String(isPaused()));
    button.textContent = isPaused() ? "Resume refresh" : "Pause refresh";
  }
}

// Whoever fills in a field, has ticked a row, unfolded a payload or marked text is not disturbed.
function isBusy(region) {
  return (
    region.querySelector("details[open], input:checked, input:focus, select:focus, textarea:focus") ||
    String(getSelection()) !== "" ||
    document.hidden
  );
}

document.addEventListener("htmx:before:request", (event) => {
  const region = event.target.closest?.("[data-live]");
  if (region && (isPaused() || isBusy(region))) event.preventDefault();
});

// A refresh that fails leaves what was there, and says that it is old.
function tellStale(event, why) {
  if (!event.target.closest?.("[data-live]")) return;
  const stale = document.getElementById("stale");
  if (!stale.hidden) return;
  stale.textContent = `Not refreshed since ${new Date().toLocaleTimeString()}: ${why}. It is tried again.`;
  stale.hidden = false;
}

document.addEventListener("htmx:response:error", (event) => {
  const { status } = event.detail.ctx.response;
  // The session has ended: the page itself leads to the login, and back.
  if (status === 401) location.reload();
  else tellStale(event, `the console answered ${status}`);
});

document.addEventListener("htmx:error", (event) => tellStale(event, "the console does not answer"));

document.addEventListener("htmx:after:swap", (event) => {
  if (event.target.closest?.("[data-live]")) document.getElementById("stale").hidden = true;
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.id === "theme") {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  } else if ("pause" in button.dataset) {
    sessionStorage.setItem("paused", isPaused() ? "no" : "yes");
    showPause();
  } else if ("copy" in button.dataset) {
    await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
    button.textContent = "Copied";
  }
});

document.addEventListener("change", (event) => {
  if (!("all" in event.target.dataset)) return;
  for (const box of event.target.closest("form").querySelectorAll("tbody input[type=checkbox]")) {
    box.checked = event.target.checked;
  }
});

// An act waits for services: it is sent once.
document.addEventListener("submit", (event) => {
  if (event.target.method === "post") {
    for (const button of event.target.querySelectorAll("button:not([type=button])")) {
      button.classList.add("sent");
      setTimeout(() => { button.disabled = true; });
    }
  }
});

addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button.sent")) button.disabled = false;
});

showPause();
