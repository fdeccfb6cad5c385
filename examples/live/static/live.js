// The live page: samples by server-sent events, a room by WebSocket, an upload that shows how far it is.
"use strict";
const $ = (id) => document.getElementById(id);

// Requests per second, for a minute.
const MOST = 120, WIDTH = 600, HEIGHT = 160;
const rates = [];
new EventSource("/samples").onmessage = (event) => {
  const sample = JSON.parse(event.data);
  rates.push(sample.per_second);
  if (rates.length > MOST) rates.shift();
  $("rate").textContent = Math.round(sample.per_second).toLocaleString("en");
  $("p50").textContent = sample.p50_ms.toFixed(2);
  $("p99").textContent = sample.p99_ms.toFixed(2);
  draw();
};
function draw() {
  const top = Math.max(10, ...rates);
  const step = WIDTH / (MOST - 1), first = WIDTH - (rates.length - 1) * step;
  const points = rates.map((rate, i) => `${(first + i * step).toFixed(1)},${(HEIGHT - 4 - rate / top * (HEIGHT - 12)).toFixed(1)}`);
  $("line").setAttribute("d", "M" + points.join("L"));
  $("area").setAttribute("d", `M${first},${HEIGHT}L${points.join("L")}L${WIDTH},${HEIGHT}Z`);
  $("top").textContent = `at most ${Math.round(top).toLocaleString("en")} per second`;
}

// The load: six requests at a time, which is what browsers have for one server.
let asking = false;
$("load").onclick = () => {
  asking = !asking;
  $("load").setAttribute("aria-pressed", asking);
  $("load").textContent = asking ? "Stop" : "Ask without a break";
  if (asking) for (let i = 0; i < 4; i++) ask(i);
};
async function ask(number) {
  while (asking) await fetch(`/api/hello/${number}`).then((answer) => answer.json()).catch(() => { asking = false; });
}

// The room. What is said is text, never markup.
let socket;
function enter() {
  socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/\/[^/]*$/, "/room"));
  socket.onopen = () => { $("state").textContent = "open"; };
  socket.onclose = (event) => {
    $("state").textContent = `closed: ${event.code} ${event.reason}`;
    setTimeout(enter, 1000);
  };
  socket.onmessage = (event) => {
    const { who, text } = JSON.parse(event.data);
    const line = document.createElement("li"), name = document.createElement("b");
    name.textContent = who;
    line.append(name, " ", text);
    $("said").append(line);
    line.scrollIntoView({ block: "nearest" });
  };
}
enter();
$("say").onsubmit = (event) => {
  event.preventDefault();
  socket.send(JSON.stringify({ who: $("who").value, text: $("text").value }));
  $("text").value = "";
};

// The upload. fetch() does not tell how far it is.
$("send").onsubmit = (event) => {
  event.preventDefault();
  const form = new FormData(), request = new XMLHttpRequest();
  form.append("file", $("file").files[0]);
  request.upload.onprogress = (sent) => { $("progress").value = sent.loaded / sent.total; };
  request.onload = () => {
    const answer = JSON.parse(request.responseText);
    if (request.status !== 200) {
      $("result").textContent = `${answer.title}: ${answer.detail || ""}`;
      return;
    }
    const digest = document.createElement("code");
    digest.textContent = answer.sha256.match(/.{8}/g).join(" ");
    $("result").replaceChildren(`${answer.name}, ${answer.size.toLocaleString("en")} bytes, SHA-256 `, digest);
  };
  request.onerror = () => { $("result").textContent = "the connection was lost"; };
  request.open("POST", "/upload");
  request.send(form);
};
