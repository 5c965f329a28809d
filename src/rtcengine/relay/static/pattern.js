// A picture that moves and a tone that beeps, for whoever has no camera. Canvas and Web Audio; returns a MediaStream.

export function pattern(width = 640, height = 360, fps = 30) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const draw = canvas.getContext("2d");
  const bars = ["#b4b4b4", "#b4b410", "#10b4b4", "#10b410", "#b410b4", "#b41010", "#1010b4", "#101010"];
  let number = 0;
  const timer = setInterval(() => {
    bars.forEach((colour, i) => {
      draw.fillStyle = colour;
      draw.fillRect((i * width) / 8, 0, width / 8 + 1, height);
    });
    draw.fillStyle = "#fff";
    draw.fillRect((number * 4) % width, 0, 12, height * 0.75);
    draw.fillStyle = "#101010";
    draw.fillRect(width * 0.22, height * 0.2, width * 0.56, height * 0.36);
    draw.fillStyle = "#ebebeb";
    draw.font = `${height * 0.13}px monospace`;
    draw.textAlign = "center";
    draw.fillText(new Date().toISOString().slice(11, 23), width / 2, height * 0.35);
    draw.fillText(`#${number}`, width / 2, height * 0.5);
    number += 1;
  }, 1000 / fps);

  const audio = new AudioContext();
  const out = audio.createMediaStreamDestination();
  const volume = audio.createGain();
  volume.gain.value = 0.04;
  const tone = audio.createOscillator();
  tone.frequency.value = 330;
  tone.connect(volume).connect(out);
  tone.start();
  const beep = setInterval(() => {
    volume.gain.setValueAtTime(0.2, audio.currentTime);
    volume.gain.setValueAtTime(0.04, audio.currentTime + 0.1);
  }, 1000);

  const stream = canvas.captureStream(fps);
  stream.addTrack(out.stream.getAudioTracks()[0]);
  stream.getVideoTracks()[0].addEventListener("rtcengine-stop", () => {
    clearInterval(timer);
    clearInterval(beep);
    audio.close();
  });
  return stream;
}
