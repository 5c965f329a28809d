// A call between this page and a program: one RTCPeerConnection (call.pc), whose candidates are queued for call.py to take. Statistics and
// pixels are rtc.js's, which looks at the same connection.
"use strict";

const call = { pc: null, candidates: [], remote: null, states: [] };

call.open = async (configuration) => {
  call.pc = rtc.pc = new RTCPeerConnection(configuration);
  call.candidates = [];
  call.states = [];
  call.pc.onicecandidate = (event) => call.candidates.push(event.candidate ? event.candidate.toJSON() : null);
  call.pc.onconnectionstatechange = () => call.states.push(call.pc.connectionState);
  call.remote = new MediaStream();
  call.pc.ontrack = (event) => {
    call.remote.addTrack(event.track);
    rtc.show(call.remote);
  };
};

call.add = async (constraints) => {
  const stream = await navigator.mediaDevices.getUserMedia(constraints);
  rtc.stream = rtc.stream || stream;
  for (const track of stream.getTracks()) call.pc.addTrack(track, stream);
};

call.remove = (kind) => {
  const sender = call.pc.getSenders().find((s) => s.track && s.track.kind === kind);
  call.pc.removeTrack(sender);
};

call.prefer = (kind, codec) => {
  for (const transceiver of call.pc.getTransceivers())
    if (transceiver.receiver.track.kind === kind) rtc.onlyCodec(transceiver, codec, "receive");
};

call.direct = (kind, direction) => {
  for (const transceiver of call.pc.getTransceivers())
    if (transceiver.receiver.track.kind === kind && !transceiver.stopped) transceiver.direction = direction;
};

// Sets what it makes; with gather waits until all candidates stand in it.
call.describe = async ({ type, gather, restart }) => {
  if (restart) call.pc.restartIce();
  await call.pc.setLocalDescription(await (type === "offer" ? call.pc.createOffer() : call.pc.createAnswer()));
  return gather ? rtc.gathered(call.pc) : call.pc.localDescription.sdp;
};

call.hear = (description) => call.pc.setRemoteDescription(description);
call.candidate = (candidate) => call.pc.addIceCandidate(candidate || undefined);
call.take = () => call.candidates.splice(0);
