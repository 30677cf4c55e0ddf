// Keeps a page up to date. Without it everything works, but for that.
"use strict";

const EVERY_MS = 2000;
// Seconds that the server's clock is ahead of this one's.
let ahead = 0;
let readAt = Date.now();
let trouble = "";

const seconds = (text) => Date.parse(text) / 1000;
const now = () => Date.now() / 1000 + ahead;

function setClock(html) {
  ahead = seconds(html.dataset.now) - Date.now() / 1000;
  readAt = Date.now();
}

// The two greatest units, as the server writes them.
function span(total) {
  const whole = Math.max(0, Math.floor(total));
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  while (parts.length > 1 && parts[0][0] === 0) parts.shift();
  return parts.slice(0, 2).map(([number, unit]) => `${number} ${unit}`).join(" ");
}

function setText(element, text) {
  if (element.textContent !== text && !isSelected(element)) element.textContent = text;
}

function isSelected(node) {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(node, true);
}

function tick() {
  for (const each of document.querySelectorAll("[data-since]")) setText(each, span(now() - seconds(each.dataset.since)));
  for (const each of document.querySelectorAll("[data-until]")) {
    const left = seconds(each.dataset.until) - now();
    setText(each, left > 0 ? `${span(left)} left` : "over");
    each.classList.toggle("over", left <= 0);
  }
  const link = document.getElementById("link");
  const stale = [...document.querySelectorAll("[data-stale]")].map((each) => each.dataset.stale);
  const text = trouble || stale[0] || "";
  const age = span((Date.now() - readAt) / 1000);
  const told = trouble ? `${text} What you see is ${age} old.` : text;
  link.hidden = text === "";
  if (link.textContent !== told) link.textContent = told;
}

// Makes the old like the fresh in place, so that focus, selection, scroll and what is typed stay.
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data && !isSelected(old)) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !["open", "data-stale"].includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  if (["INPUT", "SELECT", "TEXTAREA"].includes(old.nodeName) || "since" in old.dataset || "until" in old.dataset) return;
  morphChildren(old, fresh);
}

const isSame = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

function morphChildren(old, fresh) {
  const kept = new Set([...fresh.children].map((each) => each.id).filter(Boolean));
  for (const each of [...old.children]) if (each.id && !kept.has(each.id)) each.remove();
  let here = old.firstChild;
  for (const each of [...fresh.childNodes]) {
    const known = each.id && [...old.children].find((one) => one.id === each.id);
    if (known && known !== here) old.insertBefore(known, here);
    const match = known || (here && isSame(here, each) ? here : null);
    if (match) {
      morph(match, each);
      here = match.nextSibling;
    } else {
      old.insertBefore(document.importNode(each, true), here);
    }
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}

async function refresh() {
  const live = [...document.querySelectorAll("[data-live][id]")];
  if (live.length === 0 || document.hidden) return;
  // How old the page is changes with its parts: a page without any stays as old as it is.
  const parts = [...live, document.getElementById("made")];
  let response, html;
  try {
    response = await fetch(location.href, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(25000) });
    html = await response.text();
  } catch {
    trouble = "The console does not answer.";
    return;
  }
  if (response.status === 403) {
    trouble = "The console was started anew: open the address that it printed.";
    return;
  }
  if (!response.ok) {
    trouble = `The console answered ${response.status}.`;
    return;
  }
  const fresh = new DOMParser().parseFromString(html, "text/html");
  trouble = "";
  setClock(fresh.documentElement);
  for (const part of parts) {
    const renewed = fresh.getElementById(part.id);
    if (renewed === null) continue;
    // A call failed: what was read before stays, and says how old it is.
    if ("failed" in renewed.dataset && !("failed" in part.dataset)) {
      part.dataset.readAt ||= document.documentElement.dataset.now;
      part.dataset.stale = `${renewed.dataset.failed} What is shown is from ${part.dataset.readAt}.`;
    } else {
      delete part.dataset.stale;
      delete part.dataset.readAt;
      morph(part, renewed);
    }
  }
  document.documentElement.dataset.now = fresh.documentElement.dataset.now;
}

async function keepRefreshing() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    await refresh();
    tick();
  }
}

setClock(document.documentElement);
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
// A page that the browser kept may be sent again: the console knows what was.
addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });
tick();
setInterval(tick, 1000);
keepRefreshing();
