// Keeps a page up to date. Without it everything works, but for that.
"use strict";

const EVERY_MS = 2000;
// After so long without an answer the page says that it waits, and then gives up.
const SLOW_MS = 5000;
const ANSWER_MS_MAX = 60000;

// Seconds that the server's clock is ahead of this one's.
let ahead = 0;
// When the page was read, and when it was asked for again: by this clock.
let readAt = 0;
let askedAt = null;
let trouble = "";
let sent = null;

const seconds = (text) => Date.parse(text) / 1000;
const now = () => Date.now() / 1000 + ahead;
const all = (selector) => document.querySelectorAll(selector);

function setClock(html) {
  readAt = Date.now();
  ahead = seconds(html.dataset.now) - readAt / 1000;
}

// The two greatest units, as the server writes them.
function span(total) {
  const whole = Math.max(0, Math.floor(total));
  const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  while (parts.length > 1 && parts[0][0] === 0) parts.shift();
  return parts.slice(0, 2).map(([number, unit]) => `${number} ${unit}`).join(" ");
}

function isSelected(node) {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(node, true);
}

function setText(element, text) {
  if (element.textContent !== text && !isSelected(element)) element.textContent = text;
}

function tick() {
  for (const each of all("[data-since]")) setText(each, span(now() - seconds(each.dataset.since)));
  for (const each of all("[data-until]")) {
    const left = seconds(each.dataset.until) - now();
    setText(each, left > 0 ? `${span(left)} left` : "over");
    each.classList.toggle("over", left <= 0);
  }
  // What is said aloud has no age in it: that would be said anew each second.
  const [said, age] = document.getElementById("link").children;
  const isSlow = askedAt !== null && Date.now() - askedAt > SLOW_MS;
  const waits = isSlow ? "The console has not responded yet." : "";
  setText(said, trouble || waits || (all(".stale").length > 0 ? "Not all figures are renewed." : ""));
  setText(age, trouble || isSlow ? `What you see is ${span((Date.now() - readAt) / 1000)} old.` : "");
}

// Makes the old like the fresh in place, so that focus, selection, scroll and what is typed stay.
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data && !isSelected(old)) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
  if (!old.matches("input, select, textarea, [data-since], [data-until]")) morphChildren(old, fresh);
}

// What tells an element from its neighbours: a link never becomes another one under somebody's finger.
const keyOf = (each) => each.id || each.getAttribute?.("href") || "";
const isSame = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

function morphChildren(old, fresh) {
  const kept = new Set([...fresh.children].map(keyOf));
  for (const each of [...old.children]) if (keyOf(each) && !kept.has(keyOf(each))) each.remove();
  const known = new Map([...old.children].filter(keyOf).map((each) => [keyOf(each), each]));
  let here = old.firstChild;
  for (const each of [...fresh.childNodes]) {
    const same = known.get(keyOf(each)) || (here && isSame(here, each) ? here : null);
    if (same === null || same !== here) old.insertBefore(same || document.importNode(each, true), here);
    if (same === null) continue;
    known.delete(keyOf(same));
    morph(same, each);
    here = same.nextSibling;
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}

// What was read before stays, and says how old it is.
function keep(part, why) {
  let note = part.querySelector(":scope > .stale");
  if (note === null) {
    const age = document.createElement("span");
    age.dataset.since = document.documentElement.dataset.now;
    note = document.createElement("p");
    note.className = "stale";
    note.append("", " What is shown is ", age, " old.");
    part.firstElementChild.after(note);
  }
  note.firstChild.data = /[.!?]$/.test(why) ? why : `${why}.`;
}

function renew(fresh) {
  const focused = document.activeElement;
  for (const part of all("[data-live][id], #made")) {
    const renewed = fresh.getElementById(part.id);
    if (renewed === null) continue;
    if ("failed" in renewed.dataset && !("failed" in part.dataset)) {
      keep(part, renewed.dataset.failed);
    } else {
      part.querySelector(":scope > .stale")?.remove();
      morph(part, renewed);
    }
  }
  // Moving an element takes the focus from it; where it is gone, one like it has it, or what was around it.
  const like = () => [...all(focused.localName)].find((each) => each.isEqualNode(focused));
  const next = focused.isConnected ? focused : like() || document.getElementById("main");
  if (focused !== document.activeElement) next.focus({ preventScroll: true });
  document.documentElement.dataset.now = fresh.documentElement.dataset.now;
  setClock(fresh.documentElement);
}

// Says why the page is not renewed; nothing if it was.
async function refresh() {
  let response, html;
  try {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    response = await fetch(location.href, { cache: "no-store", redirect: "manual", signal });
    html = await response.text();
  } catch {
    return "The console does not respond.";
  }
  if (sent !== null) return trouble;
  if (response.type === "opaqueredirect") return "There is more to this page now: load it again.";
  if (response.status === 403) return "The console was started anew: open the address that it printed.";
  if (!response.ok) return `The console responded ${response.status}.`;
  renew(new DOMParser().parseFromString(html, "text/html"));
  return "";
}

async function look() {
  // A page without parts that renew themselves stays as it is, and as old.
  if (askedAt !== null || sent !== null || document.hidden || all("[data-live][id]").length === 0) return;
  askedAt = Date.now();
  trouble = await refresh();
  askedAt = null;
  tick();
}

setClock(document.documentElement);
addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (sent === event.target) event.preventDefault();
  sent = event.target;
  trouble = "It is being sent. If nothing comes, load this page again: it is sent once.";
  tick();
});
// A page that the browser kept may be sent again: the console knows what was.
addEventListener("pageshow", (event) => {
  if (event.persisted) [sent, trouble] = [null, ""];
});
document.addEventListener("visibilitychange", look);
tick();
setInterval(tick, 1000);
setInterval(look, EVERY_MS);
