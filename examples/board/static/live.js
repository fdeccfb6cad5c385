// Adds messages to the live page as they are posted; the page is complete without it.
"use strict";

const feed = document.getElementById("feed");
const state = document.getElementById("state");
const pause = document.getElementById("pause");
let source = null;
let paused = false;

function listen() {
  if (source || paused || document.hidden) return;
  source = new EventSource(`${feed.dataset.events}?after=${feed.dataset.last}`);
  source.onmessage = show;
  // Each response ends after its messages, and that counts as an error: only a lasting one is worth telling.
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) tell("The server does not answer.", false);
  };
  tell("New messages appear here by themselves.", true);
}

function rest() {
  if (source) source.close();
  source = null;
}

function show(event) {
  feed.dataset.last = event.lastEventId;
  feed.insertAdjacentHTML("afterbegin", event.data);
  feed.firstElementChild.classList.add("new");
}

function tell(text, live) {
  state.textContent = text;
  state.parentElement.classList.toggle("on", live);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? "Go on" : "Pause";
  if (paused) {
    rest();
    tell("Paused.", false);
  } else {
    listen();
  }
});

// A page that nobody sees asks for nothing.
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));

pause.hidden = false;
listen();
