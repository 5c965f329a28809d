// A call between this page and a program: one RTCPeerConnection (call.pc), whose candidates are queued for call.py to take. Statistics and
// pixels are rtc.js's, which looks at the same connection.
"use strict";

const call = { pc: null, candidates: [], remote: null, states: [], watcher: null, shown: [] };

// In a worker, which nothing of the page delays: when each frame of sound comes off the network, and its RTP time.
const WATCH = `
let seen = [];
onmessage = () => { postMessage(seen); seen = []; };
onrtctransform = ({ transformer }) => {
  const transform = (frame, out) => {
    const { rtpTimestamp } = frame.getMetadata();
    seen.push([performance.now(), rtpTimestamp]);
    out.enqueue(frame);
  };
  transformer.readable.pipeThrough(new TransformStream({ transform })).pipeTo(transformer.writable);
};
`;

// As soon as there is a receiver: Chromium gives nothing to a transform that comes later.
function watch(receiver) {
  if (call.watcher && receiver.track.kind === "audio" && !receiver.transform)
    receiver.transform = new RTCRtpScriptTransform(call.watcher, {});
}

call.open = async ({ configuration, watched }) => {
  call.watcher = watched ? new Worker(URL.createObjectURL(new Blob([WATCH], { type: "text/javascript" }))) : null;
  call.pc = rtc.pc = new RTCPeerConnection(configuration);
  call.candidates = [];
  call.states = [];
  call.shown = [];
  call.pc.onicecandidate = (event) => call.candidates.push(event.candidate ? event.candidate.toJSON() : null);
  call.pc.onconnectionstatechange = () => call.states.push(call.pc.connectionState);
  call.remote = new MediaStream();
  call.pc.ontrack = (event) => {
    watch(event.receiver);
    call.remote.addTrack(event.track);
    rtc.show(call.remote);
  };
};

call.add = async (constraints) => {
  const stream = await navigator.mediaDevices.getUserMedia(constraints);
  rtc.stream = rtc.stream || stream;
  for (const track of stream.getTracks()) call.pc.addTrack(track, stream);
  call.pc.getReceivers().forEach(watch);
};

// The camera in layers, by rid.
call.addLayers = (camera) => rtc.addCamera(call.pc, camera);

// The newest of a kind that lives.
call.newest = (kind) =>
  call.pc
    .getTransceivers()
    .filter((transceiver) => transceiver.receiver.track.kind === kind && transceiver.direction !== "stopped")
    .pop();

call.remove = (kind) => call.pc.removeTrack(call.newest(kind).sender);
call.stop = (kind) => call.newest(kind).stop();
call.direct = ({ kind, direction }) => (call.newest(kind).direction = direction);

call.decoded = async (kind) => {
  for (const stats of (await call.newest(kind).receiver.getStats()).values())
    if (stats.type === "inbound-rtp") return stats.framesDecoded || 0;
  return 0;
};

call.prefer = (kind, codec) => {
  for (const transceiver of call.pc.getTransceivers())
    if (transceiver.receiver.track.kind === kind) rtc.onlyCodec(transceiver, codec, "receive");
};

// Sets what it makes; with gather waits until all candidates stand in it.
call.describe = async ({ type, gather, restart }) => {
  if (restart) call.pc.restartIce();
  await call.pc.setLocalDescription(await (type === "offer" ? call.pc.createOffer() : call.pc.createAnswer()));
  return gather ? rtc.gathered(call.pc) : call.pc.localDescription.sdp;
};

// [ms, RTP time] of each frame of sound since the last call.
call.heard = () =>
  new Promise((resolve) => {
    call.watcher.onmessage = ({ data }) => resolve(data);
    call.watcher.postMessage(null);
  });

// From now on: when each picture of the first track of video is shown, in an element of its own, which nothing loads again.
call.look = () => {
  const video = document.createElement("video");
  Object.assign(video, { muted: true, autoplay: true, srcObject: new MediaStream([call.remote.getVideoTracks()[0]]) });
  document.body.prepend(video);
  const shown = () => {
    call.shown.push(performance.now());
    video.requestVideoFrameCallback(shown);
  };
  video.requestVideoFrameCallback(shown);
};

// In ms, since the last call.
call.looked = () => call.shown.splice(0);

call.hear = (description) => call.pc.setRemoteDescription(description);
call.candidate = (candidate) => call.pc.addIceCandidate(candidate || undefined);
call.take = () => call.candidates.splice(0);
