// What a page's decoder makes of rtcengine.media.pattern.Pattern's pictures, frame by frame: their numbers, whether upper and lower part
// belong together, and the colours of the bars. And the pitch of what it hears.
"use strict";

const pictures = { numbers: [], torn: [], wholes: [], size: null, format: null, sums: null, count: 0, error: null };

const BARS = 8;
const CODE_BITS = 32;

// BT.601 in its limited range, as the pattern has it.
function yuv(r, g, b) {
  return [
    16 + (65.738 * r + 129.057 * g + 25.064 * b) / 256,
    128 + (-37.945 * r - 74.494 * g + 112.439 * b) / 256,
    128 + (112.439 * r - 94.154 * g - 18.285 * b) / 256,
  ];
}

// A function that gives Y, U, V at a place, for the formats that browsers give without drawing.
function sampler(format, data, layout, width) {
  const [y, u, v] = layout;
  switch (format) {
    case "I420":
      return (px, py) => {
        const at = (plane) => data[plane.offset + (py >> 1) * plane.stride + (px >> 1)];
        return [data[y.offset + py * y.stride + px], at(u), at(v)];
      };
    case "NV12":
      return (px, py) => {
        const at = u.offset + (py >> 1) * u.stride + (px >> 1) * 2;
        return [data[y.offset + py * y.stride + px], data[at], data[at + 1]];
      };
    case "BGRA":
    case "BGRX":
    case "RGBA":
    case "RGBX":
      return (px, py) => {
        const at = y.offset + py * y.stride + px * 4;
        const [a, b, c] = data.subarray(at, at + 3);
        return format.startsWith("B") ? yuv(c, b, a) : yuv(a, b, c);
      };
    default:
      throw new Error(`a format that is not known: ${format} of ${width} pixels`);
  }
}

function mean(sample, left, top, width, height) {
  const sum = [0, 0, 0];
  let count = 0;
  for (let y = top; y < top + height; y += 2) {
    for (let x = left; x < left + width; x += 2, count++) sample(x, y).forEach((value, i) => (sum[i] += value));
  }
  return sum.map((value) => value / count);
}

function look(sample, width, height) {
  const middle = Math.floor((height * 15) / 16);
  let number = 0;
  for (let bit = 0; bit < CODE_BITS; bit++) {
    const left = Math.floor((bit * width) / CODE_BITS);
    const quarter = Math.floor(width / CODE_BITS / 4);
    number = number * 2 + (mean(sample, left + quarter, middle - 2, 2 * quarter, 4)[0] > 125 ? 1 : 0);
  }
  // The white bar that sweeps through the upper part is where this number has it.
  const wide = Math.floor(width / 40);
  const sweep = (number * Math.max(2, Math.floor(width / 160))) % width;
  const bar = mean(sample, sweep + Math.floor(wide / 4), Math.floor(height / 32), Math.max(2, Math.floor(wide / 2)), 8)[0];
  pictures.numbers.push(number);
  const colours = Array.from({ length: BARS }, (_, i) => {
    const bars = Math.floor(width / BARS);
    return mean(sample, i * bars + Math.floor(bars / 4), Math.floor(height * 0.79), Math.floor(bars / 2), Math.floor(height * 0.06));
  });
  // White on a colour of its own chroma: clipped where a browser makes RGB of it, but brighter than the colour.
  const under = colours[Math.min(BARS - 1, Math.floor(((sweep + wide / 2) * BARS) / width))][0];
  if (sweep + wide < width && bar < under + 20) pictures.torn.push([number, bar, under]);
  pictures.sums = colours.map((colour, i) => colour.map((value, j) => value + (pictures.sums ? pictures.sums[i][j] : 0)));
  pictures.count++;
}

// With `flat`, instead: the means of whole pictures.
pictures.begin = (video, flat) => {
  Object.assign(pictures, { numbers: [], torn: [], wholes: [], size: null, sums: null, count: 0, error: null });
  const shown = async () => {
    try {
      const frame = new VideoFrame(video);
      const { format, codedWidth, codedHeight } = frame;
      const { x, y, width, height } = frame.visibleRect;
      const data = new Uint8Array(frame.allocationSize());
      const layout = await frame.copyTo(data);
      frame.close();
      Object.assign(pictures, { format, size: [width, height] });
      const sample = sampler(format, data, layout, codedWidth, codedHeight, x, y);
      if (flat) {
        const whole = mean(sample, 0, 0, width, height);
        pictures.wholes.push(whole);
        pictures.count++;
      } else {
        look(sample, width, height);
      }
    } catch (error) {
      // Of a page that is behind, a picture may be gone again: the next one is looked at.
      if (error.name !== "InvalidStateError") pictures.error = String(error);
    }
    if (video.srcObject || video.src) video.requestVideoFrameCallback(shown);
  };
  video.requestVideoFrameCallback(shown);
};

// What was seen so far.
pictures.seen = () => {
  const { numbers, torn, wholes, size, format, count, error, sums } = pictures;
  return { numbers, torn, wholes, size, format, count, error, colours: sums ? sums.map((sum) => sum.map((v) => v / count)) : [] };
};

// The loudest frequencies of the next half second in Hz, the loudest first, and how far they stand above the middle of all, in dB.
pictures.pitches = async (stream) => {
  const context = new AudioContext();
  await context.resume();
  const analyser = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(analyser);
  await new Promise((resolve) => setTimeout(resolve, 700));
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const middle = [...levels].sort((a, b) => a - b)[levels.length >> 1];
  const peaks = [];
  for (let i = 2; i + 2 < levels.length; i++) {
    const own = levels[i];
    if (own > levels[i - 1] && own >= levels[i + 1] && own > levels[i - 2] && own >= levels[i + 2]) {
      peaks.push([(i * context.sampleRate) / analyser.fftSize, own - middle]);
    }
  }
  await context.close();
  return peaks.sort((a, b) => b[1] - a[1]).slice(0, 4);
};

window.pictures = pictures;
