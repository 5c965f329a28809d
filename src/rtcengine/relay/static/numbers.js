// What is happening, from getStats: pairs of a name and a text, worked out against the last look.

function mbps(bits) {
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(2)} Mb/s` : `${Math.round(bits / 1e3)} kb/s`;
}

const NAMES = { OPUS: "Opus", H264: "H.264" };

export class Numbers {
  constructor(pc) {
    this.pc = pc;
    this.last = new Map();
  }

  #rate(id, name, value, seconds) {
    const key = `${id}/${name}`;
    const before = this.last.get(key);
    this.last.set(key, value);
    return before === undefined || seconds <= 0 ? undefined : (value - before) / seconds;
  }

  async look() {
    const stats = await this.pc.getStats();
    const all = [...stats.values()];
    const now = performance.now();
    const seconds = (now - (this.at ?? now)) / 1000;
    this.at = now;
    const out = this.pc.getSenders().some((s) => s.track);
    const type = out ? "outbound-rtp" : "inbound-rtp";
    const streams = all.filter((s) => s.type === type && (s.bytesReceived ?? s.bytesSent) > 0);
    const video = streams.find((s) => s.kind === "video");
    const rows = [];
    const bytes = streams.reduce((n, s) => n + (out ? s.bytesSent : s.bytesReceived), 0);
    const rate = this.#rate(type, "bytes", bytes, seconds);
    rows.push([out ? "Sent" : "Received", rate === undefined ? "–" : mbps(rate * 8)]);
    if (video) {
      const frames = out ? video.framesSent : video.framesDecoded;
      const fps = this.#rate(video.id, "frames", frames, seconds);
      rows.push(["Frames a second", fps === undefined ? "–" : fps.toFixed(0)]);
      if (video.frameWidth) rows.push(["Picture", `${video.frameWidth} × ${video.frameHeight}`]);
    }
    rows.push(["Lost", this.#lost(all, streams, out)]);
    const pair = this.#pair(stats, all);
    if (pair?.currentRoundTripTime !== undefined) rows.push(["Round trip", `${(pair.currentRoundTripTime * 1000).toFixed(0)} ms`]);
    if (out && pair?.availableOutgoingBitrate) rows.push(["The path allows", mbps(pair.availableOutgoingBitrate)]);
    if (!out && video?.jitterBufferEmittedCount) {
      rows.push(["Buffered", `${((video.jitterBufferDelay / video.jitterBufferEmittedCount) * 1000).toFixed(0)} ms`]);
      rows.push(["Freezes", String(video.freezeCount ?? 0)]);
    }
    const codecs = streams.map((s) => stats.get(s.codecId)?.mimeType.split("/")[1]).filter(Boolean);
    rows.push(["Codec", codecs.map((name) => NAMES[name.toUpperCase()] ?? name).join(" + ") || "–"]);
    rows.push(["Path", this.#path(stats, pair)]);
    return rows;
  }

  #lost(all, streams, out) {
    const reports = out ? all.filter((s) => s.type === "remote-inbound-rtp") : streams;
    const lost = reports.reduce((n, s) => n + Math.max(0, s.packetsLost ?? 0), 0);
    const sent = streams.reduce((n, s) => n + (out ? s.packetsSent : s.packetsReceived), 0);
    return sent ? `${lost} (${((100 * lost) / (sent + (out ? 0 : lost))).toFixed(1)} %)` : "–";
  }

  #pair(stats, all) {
    const transport = all.find((s) => s.type === "transport" && s.selectedCandidatePairId);
    return transport ? stats.get(transport.selectedCandidatePairId) : all.find((s) => s.type === "candidate-pair" && s.nominated && s.state === "succeeded");
  }

  #path(stats, pair) {
    const remote = pair && stats.get(pair.remoteCandidateId);
    if (!remote) return "–";
    const address = remote.address ?? remote.ip ?? "";
    return `${remote.protocol} ${address.includes(":") ? `[${address}]` : address}:${remote.port}`;
  }
}
