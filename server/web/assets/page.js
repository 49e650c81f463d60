// Keeps a page up to date: fetches it again and changes what differs, in place, so that focus, scroll position, selection
// and opened details stay. Makes the maps usable by keyboard and by touch. Without this file all is there but that.
"use strict";

(() => {
  const PERIOD_MS = 2000;
  const LONGEST_MS = 30000;
  // A page that takes long to fetch is fetched less often.
  const IDLE_TIMES = 8;

  const live = document.getElementById("live");
  let main = document.getElementById("main");
  let etag = "";
  let paused = false;
  let timer = 0;
  let failures = 0;
  let request = null;

  // The status line: a word and a button.
  const words = document.createElement("span");
  const button = document.createElement("button");
  button.type = "button";
  // For those who hear the page: the state when it changes, not the time every two seconds.
  const heard = document.createElement("span");
  heard.className = "vh";
  heard.setAttribute("role", "status");
  live.append(words, button, heard);

  function say(state, text) {
    const before = document.documentElement.dataset.live;
    document.documentElement.dataset.live = state;
    if (before && before !== state) heard.textContent = text;
    if (words.textContent !== text) words.textContent = text;
  }

  function clock() {
    return new Date().toISOString().slice(11, 19) + " UTC";
  }

  // What tells one element from its neighbours.
  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE && (node.id || node.dataset.k)) || "";

  function alike(a, b) {
    return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
  }

  // Attributes that this file sets, or the person who reads.
  const OURS = new Set(["open", "tabindex", "aria-describedby", "data-at"]);

  function copyAttributes(from, to) {
    for (const { name, value } of from.attributes) {
      if (!OURS.has(name) && to.getAttribute(name) !== value) to.setAttribute(name, value);
    }
    for (const { name } of [...to.attributes]) {
      if (!OURS.has(name) && !from.hasAttribute(name)) to.removeAttribute(name);
    }
  }

  function update(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    copyAttributes(fresh, old);
    updateChildren(old, fresh);
  }

  function updateChildren(old, fresh) {
    const keyed = new Map();
    for (const child of old.children) if (keyOf(child)) keyed.set(keyOf(child), child);
    let at = old.firstChild;
    const skipOwn = () => {
      while (at && at.nodeType === Node.ELEMENT_NODE && at.classList.contains("readout")) at = at.nextSibling;
    };
    for (const child of [...fresh.childNodes]) {
      skipOwn();
      const known = keyOf(child) && keyed.get(keyOf(child));
      if (known && alike(known, child)) {
        keyed.delete(keyOf(child));
        if (known !== at) old.insertBefore(known, at);
        else at = at.nextSibling;
        update(known, child);
      } else if (at && !keyOf(at) && alike(at, child)) {
        const next = at.nextSibling;
        update(at, child);
        at = next;
      } else {
        old.insertBefore(document.importNode(child, true), at);
      }
    }
    for (skipOwn(); at; skipOwn()) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  function take(fresh) {
    const main_now = fresh && fresh.getElementById("main");
    if (!main_now) return false;
    update(main, main_now);
    if (document.title !== fresh.title) document.title = fresh.title;
    prepareMaps();
    return true;
  }

  function schedule(delay) {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(fetchPage, delay);
  }

  function failed(text) {
    failures += 1;
    say("lost", text);
    schedule(Math.min(PERIOD_MS * 2 ** Math.min(failures, 4), LONGEST_MS));
  }

  // What is under way is not wanted any more.
  function stop() {
    clearTimeout(timer);
    const given_up = request;
    request = null;
    if (given_up) given_up.abort();
  }

  function fetchPage() {
    stop();
    const asked = performance.now();
    const current = new XMLHttpRequest();
    request = current;
    current.open("GET", location.pathname + location.search);
    current.responseType = "document";
    current.timeout = 10000;
    if (etag) current.setRequestHeader("If-None-Match", etag);
    current.onload = () => {
      if (current !== request) return;
      request = null;
      lastAnswer = clock();
      const same = current.status === 304;
      // What is not there any more says so itself.
      if (!same && !((current.status === 200 || current.status === 404) && take(current.responseXML))) {
        failed(`answer ${current.status} at ${clock()}, trying again`);
        return;
      }
      if (!same) etag = current.getResponseHeader("ETag") || "";
      failures = 0;
      say("live", `Live, checked ${clock()}`);
      schedule(Math.min(Math.max(PERIOD_MS, IDLE_TIMES * (performance.now() - asked)), LONGEST_MS));
    };
    current.onerror = current.ontimeout = () => {
      if (current !== request) return;
      request = null;
      failed(`No answer since ${lastAnswer}: what you see is old`);
    };
    current.send();
  }
  let lastAnswer = clock();

  function showPaused() {
    button.textContent = paused ? "Resume" : "Pause";
    if (paused) say("paused", `Paused at ${clock()}`);
  }
  button.addEventListener("click", () => {
    paused = !paused;
    showPaused();
    if (paused) stop();
    else fetchPage();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
    else if (!paused) fetchPage();
  });

  // A map is one stop of the Tab key; the arrows go from segment to segment, whose words stand below it.
  function prepareMaps() {
    for (const line of main.querySelectorAll(".readout")) {
      const map = line.parentElement.querySelector("svg.map");
      if (!map) line.remove();
      else if (map.dataset.at === undefined) line.textContent = "";
    }
    for (const map of main.querySelectorAll("svg.map")) {
      if (!map.querySelector("rect")) map.removeAttribute("tabindex");
      else if (!map.hasAttribute("tabindex")) map.setAttribute("tabindex", "0");
      if (map.dataset.at) show(map, Number(map.dataset.at));
    }
  }

  // By offset, while they are drawn by what matters.
  function segments(map) {
    return [...map.querySelectorAll("rect")].sort((a, b) => parseFloat(a.getAttribute("x")) - parseFloat(b.getAttribute("x")));
  }

  function readout(map) {
    let line = map.parentElement.querySelector(".readout");
    if (!line) {
      line = document.createElement("p");
      line.className = "readout";
      line.setAttribute("role", "status");
      map.parentElement.append(line);
    }
    return line;
  }

  function show(map, index) {
    const all = segments(map);
    const chosen = all[Math.min(index, all.length - 1)];
    for (const rect of all) rect.classList.toggle("at", rect === chosen);
    if (!chosen) {
      hide(map);
      return;
    }
    map.dataset.at = String(all.indexOf(chosen));
    const text = chosen.querySelector("title").textContent;
    const line = readout(map);
    if (line.textContent !== text) line.textContent = text;
  }

  function hide(map) {
    delete map.dataset.at;
    for (const rect of map.querySelectorAll("rect.at")) rect.classList.remove("at");
    const line = map.parentElement.querySelector(".readout");
    if (line) line.textContent = "";
  }

  const mapOf = (event) => event.target instanceof Element && event.target.closest("svg.map");

  document.addEventListener("keydown", (event) => {
    const map = mapOf(event);
    if (!map) return;
    const last = map.querySelectorAll("rect").length - 1;
    const now = map.dataset.at === undefined ? -1 : Number(map.dataset.at);
    const next = {
      ArrowRight: Math.min(now + 1, last), ArrowLeft: Math.max(now - 1, 0), Home: 0, End: last,
    }[event.key];
    if (event.key === "Escape") hide(map);
    if (next === undefined) return;
    event.preventDefault();
    show(map, next);
  });
  document.addEventListener("focusin", (event) => {
    const map = mapOf(event);
    if (map && map.dataset.at === undefined) show(map, 0);
  });
  document.addEventListener("focusout", (event) => {
    const map = mapOf(event);
    if (map) hide(map);
  });
  document.addEventListener("pointerover", (event) => {
    const map = mapOf(event);
    if (map && event.target.nodeName === "rect") show(map, segments(map).indexOf(event.target));
  });
  document.addEventListener("pointerout", (event) => {
    const map = mapOf(event);
    if (map && map !== document.activeElement && !map.contains(event.relatedTarget)) hide(map);
  });

  prepareMaps();
  showPaused();
  say("live", `Live, loaded ${clock()}`);
  schedule(PERIOD_MS);
})();
