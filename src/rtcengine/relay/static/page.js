// The page: which room, watch or publish, what to tell the user. WebRTC is in whip.js, figures in numbers.js.

import { NotYet, Session, TokenNeeded } from "./whip.js";
import { Numbers } from "./numbers.js";
import { pattern } from "./pattern.js";

const $ = (id) => document.getElementById(id);
const base = location.pathname.replace(/[^/]*$/, "");
const room = decodeURIComponent(location.pathname.slice(base.length));
const endpoint = (kind, name = room) => new URL(`${base}${name}/${kind}`, location.href).href;
const NO_CAMERA = "Browsers give cameras and screens only to https pages and to localhost: start the relay with --tls, or publish the test picture.";
const tokenKey = (mode) => `rtcengine.token.${mode}`;

// Of a publisher's layers the one that the page's own address asks for: /room?layer=m.
const wanted = new URLSearchParams(location.search).get("layer");
const layer = wanted ? `?layer=${encodeURIComponent(wanted)}` : "";
let mode = new URLSearchParams(location.search).has("publish") ? "publish" : "watch";
let session = null;
let numbers = null;
let local = null;
let turn = 0; // whoever waits for something looks whether it is still his turn

function say(text) {
  $("message").textContent = text ?? "";
  $("message").hidden = !text;
}

function veil(text) {
  $("veil").textContent = text ?? "";
  $("veil").hidden = !text;
}

function state(text, kind = "") {
  $("state").textContent = text;
  $("state").className = `state ${kind}`;
}

function token() {
  return sessionStorage.getItem(tokenKey(mode)) ?? new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
}

function leave() {
  turn += 1;
  session?.close();
  session = numbers = null;
  $("numbers").tBodies[0].replaceChildren();
  if (local) {
    local.getTracks().forEach((track) => track.stop());
    local.getVideoTracks()[0]?.dispatchEvent(new Event("rtcengine-stop"));
    local = null;
  }
}

const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

// Runs one attempt after the other until somebody else's turn comes.
async function keep(attempt) {
  const mine = ++turn;
  while (mine === turn) {
    try {
      const text = await attempt(() => mine === turn);
      if (mine !== turn) return;
      say(text);
      state("Connecting again", "trouble");
      await pause(1);
    } catch (error) {
      if (mine !== turn) return;
      session?.close();
      if (error instanceof TokenNeeded) return askToken();
      if (!(error instanceof NotYet)) return fail(error);
      state("Waiting", "trouble");
      veil(mode === "watch" ? `Waiting: ${error.message}. The picture comes by itself.` : `Waiting: ${error.message}`);
      await pause(error.seconds);
    }
  }
}

function fail(error) {
  state("Stopped", "trouble");
  veil("");
  say(error.message);
  if (mode === "publish") {
    leave();
    idle();
  }
}

// The form of a publisher who does not publish.
function idle() {
  $("start").textContent = "Start";
  $("video").srcObject = null;
  veil("What you publish appears here.");
}

function askToken() {
  state("A token is needed", "trouble");
  veil("");
  if (sessionStorage.getItem(tokenKey(mode))) say("That token was not accepted.");
  $("token").value = "";
  $("token-form").hidden = false;
  $("token").focus();
}

function ended(s) {
  return new Promise((done) => s.addEventListener("ended", (event) => done(event.detail)));
}

async function watch(mine) {
  veil("Connecting …");
  state("Connecting");
  const s = new Session(endpoint("whep") + layer, token());
  session = s;
  const stream = new MediaStream();
  s.pc.addTransceiver("video", { direction: "recvonly" });
  s.pc.addTransceiver("audio", { direction: "recvonly" });
  s.pc.addEventListener("track", ({ track }) => {
    stream.addTrack(track);
    $("video").srcObject = stream;
    $("video").play().catch(() => {}); // a page may not play at once; the user's first touch will
  });
  const over = ended(s);
  await s.start();
  if (!mine()) return s.close();
  say("");
  numbers = new Numbers(s.pc);
  return over;
}

async function capture() {
  const source = $("source").value;
  if (source === "pattern") return pattern();
  if (!navigator.mediaDevices) {
    throw new Error(NO_CAMERA);
  }
  const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  try {
    return source === "screen"
      ? await navigator.mediaDevices.getDisplayMedia({ video: true, audio: true })
      : await navigator.mediaDevices.getUserMedia({ video: size, audio: true });
  } catch (error) {
    const what = source === "screen" ? "the screen" : "the camera";
    const why = { NotAllowedError: "it was not allowed", NotFoundError: "there is none", NotReadableError: "another program uses it" };
    throw new Error(`No picture from ${what}: ${why[error.name] ?? error.message}.`);
  }
}

function preferCodec(transceiver) {
  const wanted = $("codec").value;
  const all = RTCRtpSender.getCapabilities?.("video")?.codecs;
  if (!all || !transceiver.setCodecPreferences) return;
  const rank = (c) => (c.mimeType.toLowerCase() === `video/${wanted}`.toLowerCase() ? 0 : 1);
  transceiver.setCodecPreferences([...all].sort((a, b) => rank(a) - rank(b)));
}

async function setRate(sender) {
  const parameters = sender.getParameters();
  if (!parameters.encodings?.length) return;
  parameters.encodings[0].maxBitrate = Number($("rate").value) * 1000;
  await sender.setParameters(parameters);
}

async function publish(mine) {
  veil("");
  state("Connecting");
  const s = new Session(endpoint("whip"), token());
  session = s;
  for (const track of local.getTracks()) {
    const transceiver = s.pc.addTransceiver(track, { direction: "sendonly", streams: [local] });
    if (track.kind === "video") preferCodec(transceiver);
  }
  const over = ended(s);
  await s.start();
  if (!mine()) return s.close();
  const video = s.pc.getSenders().find((x) => x.track?.kind === "video");
  if (video) await setRate(video);
  say("");
  numbers = new Numbers(s.pc);
  return over;
}

function show() {
  const publishing = mode === "publish";
  $("mode").textContent = publishing ? "Watch instead" : "Publish here";
  $("sound").hidden = publishing;
  $("publish").hidden = !publishing;
  $("token-form").hidden = true;
  history.replaceState(null, "", publishing ? "?publish" : location.pathname + layer + location.hash);
  $("video").srcObject = null;
  $("video").muted = true;
  $("sound").textContent = "Sound on";
  say("");
  state("Not connected");
  if (!publishing) return keep(watch);
  idle();
  if (!window.isSecureContext) {
    say(NO_CAMERA);
    $("source").value = "pattern";
  }
}

async function refresh() {
  if (!numbers || !session || session.over) return;
  const connection = session.pc.connectionState;
  const rows = await numbers.look().catch(() => null);
  if (!rows) return;
  $("numbers").tBodies[0].replaceChildren(
    ...rows.map(([name, text]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(head, cell);
      return row;
    }),
  );
  const rate = Number.parseFloat(rows[0][1]); // NaN at the first look: there is nothing to compare with
  const flowing = rate > 0;
  if (connection === "connected" && Number.isNaN(rate)) return;
  if (connection !== "connected") state(`Connection: ${connection}`);
  else if (flowing) state(mode === "publish" ? "Live" : "Playing", "live");
  else state(mode === "publish" ? "Connected, nothing is sent" : "The publisher sends nothing", "trouble");
  if (flowing && connection === "connected") veil("");
  else if (mode === "watch" && connection === "connected") veil("The publisher sends nothing at the moment.");
}

function fillCodecs() {
  const known = ["VP8", "H264", "VP9", "AV1"];
  const have = new Set((RTCRtpSender.getCapabilities?.("video")?.codecs ?? []).map((c) => c.mimeType.split("/")[1].toUpperCase()));
  for (const name of known.filter((n) => have.size === 0 || have.has(n))) $("codec").add(new Option(name === "H264" ? "H.264" : name, name));
}

$("go").addEventListener("submit", (event) => {
  event.preventDefault();
  location.href = base + encodeURIComponent($("room").value);
});
$("mode").addEventListener("click", () => {
  leave();
  mode = mode === "publish" ? "watch" : "publish";
  show();
});
$("sound").addEventListener("click", () => {
  $("video").muted = !$("video").muted;
  $("sound").textContent = $("video").muted ? "Sound on" : "Sound off";
  $("video").play().catch(() => {});
});
$("video").addEventListener("playing", () => {
  if (mode === "watch") veil("");
});
$("whole").addEventListener("click", () => {
  const video = $("video");
  (video.requestFullscreen ?? video.webkitEnterFullscreen)?.call(video); // the second: iPhones
});
$("rate").addEventListener("input", () => {
  $("rate-text").textContent = `${($("rate").value / 1000).toFixed(1)} Mb/s`;
  const video = session?.pc.getSenders().find((x) => x.track?.kind === "video");
  if (video) setRate(video).catch(() => {});
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(tokenKey(mode), $("token").value);
  $("token-form").hidden = true;
  say("");
  keep(mode === "publish" ? publish : watch);
});
$("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (local) {
    leave();
    show();
    return;
  }
  try {
    local = await capture();
  } catch (error) {
    say(error.message);
    return;
  }
  $("start").textContent = "Stop";
  $("video").srcObject = local;
  local.getVideoTracks()[0]?.addEventListener("ended", () => {
    leave();
    show();
  });
  keep(publish);
});
addEventListener("pagehide", () => session?.close());

$("room").value = room || "demo";
fillCodecs();
setInterval(refresh, 1000);
if (room) {
  document.title = `${room} – rtcengine relay`;
  $("watch-url").href = $("watch-url").textContent = new URL(base + room, location.href).href;
  $("stage").hidden = false;
  show();
} else {
  $("whip-url").textContent = endpoint("whip", "ROOM");
  $("whep-url").textContent = endpoint("whep", "ROOM");
  $("new-room").href = `${base}room-${Math.random().toString(36).slice(2, 6)}?publish`;
  $("lobby").hidden = false;
}
