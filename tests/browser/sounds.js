// A tone for a call, and what a page hears: a tone of 1000 Hz of its own, and a recording of the next seconds, in base64.
"use strict";

const sounds = {};

sounds.tone = async (pc) => {
  const context = new AudioContext();
  await context.resume();
  const source = new OscillatorNode(context, { frequency: 1000 });
  const target = context.createMediaStreamDestination();
  source.connect(new GainNode(context, { gain: 0.25 })).connect(target);
  source.start();
  pc.addTrack(target.stream.getAudioTracks()[0], target.stream);
};

// By MediaRecorder, which needs no loudspeaker.
sounds.record = async (stream, ms) => {
  const recorder = new MediaRecorder(new MediaStream(stream.getAudioTracks()), { mimeType: "audio/webm;codecs=opus" });
  const chunks = [];
  recorder.ondataavailable = ({ data }) => chunks.push(data);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start();
  await new Promise((resolve) => setTimeout(resolve, ms));
  recorder.stop();
  await stopped;
  const reader = new FileReader();
  const read = new Promise((resolve) => (reader.onload = resolve));
  reader.readAsDataURL(new Blob(chunks));
  await read;
  return reader.result.slice(reader.result.indexOf(",") + 1);
};

window.sounds = sounds;
