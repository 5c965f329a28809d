// Test library run inside a page: one RTCPeerConnection (rtc.pc) that publishes by WHIP, watches by WHEP, or answers an offer.
// media.py calls it; every function returns plain JSON values.
"use strict";

const GATHER_LIMIT_MS = 500;

const rtc = { pc: null, video: null, stream: null, resource: null, token: null };

function waitFor(target, event, done, limitMs) {
  return new Promise((resolve) => {
    if (done()) return resolve();
    const timer = limitMs && setTimeout(finish, limitMs);
    function finish() {
      clearTimeout(timer);
      target.removeEventListener(event, check);
      resolve();
    }
    function check() {
      if (done()) finish();
    }
    target.addEventListener(event, check);
  });
}

// All candidates go into the offer: no trickle. Gathering is given up after a while, as an unreachable STUN server must not matter.
async function gathered(pc) {
  await waitFor(pc, "icegatheringstatechange", () => pc.iceGatheringState === "complete", GATHER_LIMIT_MS);
  return pc.localDescription.sdp;
}

function authorization(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function post(url, token, sdp) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", ...authorization(token) },
    body: sdp,
  });
  const location = response.headers.get("Location");
  return {
    status: response.status,
    body: await response.text(),
    location: location && new URL(location, response.url).href,
    etag: response.headers.get("ETag"),
    retryAfter: response.headers.get("Retry-After"),
    link: response.headers.get("Link"),
  };
}

function newConnection() {
  if (rtc.pc) throw new Error("this page has a connection already; call rtc.close() first");
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  rtc.pc = pc;
  return pc;
}

// The codec and its retransmissions, nothing else: so a test knows what flows.
function onlyCodec(transceiver, codec, direction) {
  const kind = transceiver.receiver.track.kind;
  const known = direction === "send" ? RTCRtpSender.getCapabilities(kind) : RTCRtpReceiver.getCapabilities(kind);
  const wanted = `${kind}/${codec}`.toLowerCase();
  const primary = known.codecs.filter((c) => c.mimeType.toLowerCase() === wanted);
  if (!primary.length) throw new Error(`this browser has no ${codec}`);
  const repair = known.codecs.filter((c) => c.mimeType.toLowerCase() === `${kind}/rtx`);
  transceiver.setCodecPreferences([...primary, ...repair]);
}

function show(stream) {
  if (!rtc.video) {
    rtc.video = document.createElement("video");
    rtc.video.autoplay = true;
    rtc.video.muted = true;
    rtc.video.playsInline = true;
    rtc.video.style.maxWidth = "100%";
    document.body.append(rtc.video);
  }
  rtc.video.srcObject = stream;
  rtc.video.play().catch((e) => console.debug(`play: ${e}`)); // replaced by a later load: autoplay goes on
}

// Tracks come one by one and, from some servers, in different streams: one stream of ours holds them all.
function showRemote(pc) {
  const remote = new MediaStream();
  pc.addEventListener("track", (event) => {
    remote.addTrack(event.track);
    show(remote);
  });
}

async function negotiate(pc, url, token) {
  await pc.setLocalDescription(await pc.createOffer());
  const offer = await gathered(pc);
  const reply = { offer, ...(await post(url, token, offer)) };
  if (reply.status !== 201) {
    rtc.close();
    return reply;
  }
  rtc.resource = reply.location;
  rtc.token = token;
  await pc.setRemoteDescription({ type: "answer", sdp: reply.body });
  return reply;
}

// How much smaller each layer of a simulcast is, by rid.
const LAYERS = { h: 1, m: 2, l: 4 };

async function addCamera(pc, { video, audio, codec, maxBitrate, layers }) {
  rtc.stream = await navigator.mediaDevices.getUserMedia({ video, audio });
  for (const track of rtc.stream.getAudioTracks()) {
    pc.addTransceiver(track, { direction: "sendonly", streams: [rtc.stream] });
  }
  for (const track of rtc.stream.getVideoTracks()) {
    const limit = maxBitrate ? { maxBitrate } : {};
    const encodings = layers?.length ? layers.map((rid) => ({ rid, scaleResolutionDownBy: LAYERS[rid], ...limit })) : [limit];
    const transceiver = pc.addTransceiver(track, {
      direction: "sendonly",
      streams: [rtc.stream],
      sendEncodings: encodings,
    });
    if (codec) onlyCodec(transceiver, codec, "send");
  }
}

rtc.addCamera = addCamera;

rtc.publish = async ({ url, token, ...camera }) => {
  const pc = newConnection();
  await addCamera(pc, camera);
  show(rtc.stream);
  return negotiate(pc, url, token);
};

// Switches one layer of the picture on or off.
rtc.switchLayer = async (rid, active) => {
  const sender = rtc.pc.getSenders().find((s) => s.track?.kind === "video");
  const parameters = sender.getParameters();
  parameters.encodings.find((e) => e.rid === rid).active = active;
  await sender.setParameters(parameters);
};

rtc.watch = async ({ url, token, kinds, codec }) => {
  const pc = newConnection();
  showRemote(pc);
  for (const kind of kinds) {
    const transceiver = pc.addTransceiver(kind, { direction: "recvonly" });
    if (kind === "video" && codec) onlyCodec(transceiver, codec, "receive");
  }
  return negotiate(pc, url, token);
};

// The other side of publish (send null) and watch (send holds getUserMedia constraints), for calls between two pages.
rtc.answer = async ({ offer, send }) => {
  const pc = newConnection();
  showRemote(pc);
  await pc.setRemoteDescription({ type: "offer", sdp: offer });
  if (send) {
    rtc.stream = await navigator.mediaDevices.getUserMedia(send);
    for (const transceiver of pc.getTransceivers()) {
      const track = rtc.stream.getTracks().find((t) => t.kind === transceiver.receiver.track.kind);
      transceiver.direction = track ? "sendonly" : "inactive";
      if (track) await transceiver.sender.replaceTrack(track);
    }
  }
  await pc.setLocalDescription(await pc.createAnswer());
  return gathered(pc);
};

// A whole call inside one page: a second connection answers. rtc.pc receives; rtc.sender sends.
rtc.loopback = async ({ video, audio, codec, maxBitrate }) => {
  const sender = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  await addCamera(sender, { video, audio, codec, maxBitrate });
  await sender.setLocalDescription(await sender.createOffer());
  const answer = await rtc.answer({ offer: await gathered(sender) });
  await sender.setRemoteDescription({ type: "answer", sdp: answer });
  rtc.sender = sender;
};

// Ends the session as WHIP and WHEP say (DELETE of the resource); gives the status, or null when there was none.
rtc.hangUp = async () => {
  let status = null;
  if (rtc.resource) {
    status = (await fetch(rtc.resource, { method: "DELETE", headers: authorization(rtc.token) })).status;
  }
  rtc.close();
  return status;
};

// Goes away without a word to the server, but for what closing a connection sends.
rtc.close = () => {
  for (const pc of [rtc.pc, rtc.sender]) if (pc) pc.close();
  if (rtc.stream) for (const track of rtc.stream.getTracks()) track.stop();
  if (rtc.video) rtc.video.remove();
  Object.assign(rtc, { pc: null, sender: null, video: null, stream: null, resource: null, token: null });
};

function selectedPair(entries) {
  const transport = entries.find((e) => e.type === "transport" && e.selectedCandidatePairId);
  const pairs = entries.filter((e) => e.type === "candidate-pair");
  // Firefox has no selectedCandidatePairId everywhere; it marks the pair itself.
  return transport
    ? pairs.find((e) => e.id === transport.selectedCandidatePairId)
    : pairs.find((e) => e.selected) || pairs.find((e) => e.nominated && e.state === "succeeded");
}

function flatten(entries) {
  const byId = new Map(entries.map((e) => [e.id, e]));
  const streams = (type) => {
    const found = {};
    for (const e of entries.filter((entry) => entry.type === type)) {
      const codec = byId.get(e.codecId);
      const remote = type === "outbound-rtp" ? byId.get(e.remoteId) : undefined;
      const entry = { ...e, mimeType: codec ? codec.mimeType : null, fmtp: codec ? codec.sdpFmtpLine || null : null };
      if (remote) entry.remote = remote;
      const size = (x) => x.bytesSent || x.bytesReceived || 0;
      const best = found[e.kind];
      const layers = best ? [...best.layers, e] : [e];
      found[e.kind] = !best || size(entry) > size(best) ? entry : best;
      found[e.kind].layers = layers;
    }
    return found;
  };
  const pair = selectedPair(entries);
  const candidate = (id) => {
    const c = byId.get(id);
    return c ? { address: c.address || null, port: c.port, protocol: c.protocol, type: c.candidateType } : null;
  };
  return {
    inbound: streams("inbound-rtp"),
    outbound: streams("outbound-rtp"),
    pair: pair
      ? { ...pair, local: candidate(pair.localCandidateId), remote: candidate(pair.remoteCandidateId) }
      : null,
    transport: entries.find((e) => e.type === "transport") || null,
  };
}

rtc.stats = async () => {
  const flat = flatten(rtc.pc ? [...(await rtc.pc.getStats()).values()] : []);
  if (rtc.sender) flat.outbound = flatten([...(await rtc.sender.getStats()).values()]).outbound;
  return {
    ...flat,
    now: performance.now(),
    connectionState: rtc.pc && rtc.pc.connectionState,
    iceConnectionState: rtc.pc && rtc.pc.iceConnectionState,
  };
};

// What the video element shows now: its size, mean luma (BT.601, 0 to 255) and a hash (FNV-1a) of the pixels.
rtc.pixels = () => {
  const { video } = rtc;
  if (!video || !video.videoWidth || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
  const canvas = document.createElement("canvas");
  canvas.width = Math.min(video.videoWidth, 320);
  canvas.height = Math.max(1, Math.round((canvas.width * video.videoHeight) / video.videoWidth));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  let hash = 0x811c9dc5;
  let luma = 0;
  for (let i = 0; i < data.length; i += 4) {
    luma += 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    for (let j = 0; j < 3; j++) hash = Math.imul(hash ^ data[i + j], 0x01000193);
  }
  return {
    width: video.videoWidth,
    height: video.videoHeight,
    luma: luma / (data.length / 4),
    hash: (hash >>> 0).toString(16).padStart(8, "0"),
    time: video.currentTime,
  };
};

// RMS of the next seconds of received sound, heard through WebAudio; null where no AudioContext runs (Firefox without a device).
rtc.listen = async (seconds) => {
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const context = new AudioContext();
  try {
    await Promise.race([context.resume(), pause(1000)]);
    if (context.state !== "running") return null;
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    context.createMediaStreamSource(rtc.video.srcObject).connect(analyser);
    const window = new Float32Array(analyser.fftSize);
    const windowMs = (1000 * window.length) / context.sampleRate;
    const end = context.currentTime + seconds;
    let squares = 0;
    let samples = 0;
    while (context.currentTime < end) {
      await pause(windowMs);
      analyser.getFloatTimeDomainData(window);
      squares += window.reduce((sum, sample) => sum + sample * sample, 0);
      samples += window.length;
    }
    return Math.sqrt(squares / samples);
  } finally {
    context.close(); // not awaited: without a device it never ends
  }
};

// For call.js.
Object.assign(rtc, { show, gathered, onlyCodec });

window.rtc = rtc;
