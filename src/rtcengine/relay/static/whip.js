// WHIP (RFC 9725) and WHEP from a browser: one session, its resource, and why it ended.

export class TokenNeeded extends Error {}

export class NotYet extends Error {
  constructor(text, seconds) {
    super(text);
    this.seconds = seconds;
  }
}

function bearer(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function post(url, token, sdp) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...bearer(token) },
      body: sdp,
    });
  } catch {
    throw new NotYet("The relay does not answer.", 2);
  }
  const text = await response.text();
  if (response.status === 201) {
    return { sdp: text, resource: new URL(response.headers.get("Location"), url).href, etag: response.headers.get("ETag") };
  }
  if (response.status === 401) throw new TokenNeeded(text);
  if ([409, 429, 503].includes(response.status)) {
    throw new NotYet(text.trim(), Number(response.headers.get("Retry-After")) || 2);
  }
  throw new Error(text.trim() || `The relay answered ${response.status}.`);
}

export class Session extends EventTarget {
  // Emits "ended" once, with what to tell the user in detail, when the peer or the network ended it.
  constructor(url, token) {
    super();
    this.url = url;
    this.token = token;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.pc.addEventListener("connectionstatechange", () => this.#changed());
    this.over = false;
  }

  async start() {
    await this.pc.setLocalDescription();
    const answer = await post(this.url, this.token, this.pc.localDescription.sdp);
    this.resource = answer.resource;
    this.etag = answer.etag;
    if (this.over) return this.#delete();
    await this.pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    const transport = [...this.pc.getSenders(), ...this.pc.getReceivers()].find((x) => x.transport)?.transport;
    transport?.addEventListener("statechange", () => {
      if (transport.state !== "closed") return;
      this.resource = null; // the relay has forgotten it
      this.#end("The relay ended the session.");
    });
  }

  close() {
    if (this.over) return;
    this.over = true;
    if (!this.resource) return this.pc.close();
    // First by HTTP: closing the connection ends the session too, and a DELETE that comes after that finds none.
    const late = new Promise((done) => setTimeout(done, 1000));
    Promise.race([this.#delete(), late]).then(() => this.pc.close());
  }

  // New ICE credentials on the same session: what a changed network needs (RFC 9725 §4.3.3).
  async restart() {
    const offer = await this.pc.createOffer({ iceRestart: true });
    await this.pc.setLocalDescription(offer);
    const line = (name) => offer.sdp.match(new RegExp(`^a=${name}:.*$`, "m"))[0];
    const response = await fetch(this.resource, {
      method: "PATCH",
      headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*", ...bearer(this.token) },
      body: `${line("ice-ufrag")}\r\n${line("ice-pwd")}\r\n`,
    });
    if (response.status !== 200) throw new Error(`restart: ${response.status}`);
    this.etag = response.headers.get("ETag");
    const fragment = await response.text();
    const given = (name) => fragment.match(new RegExp(`^a=${name}:(.*)$`, "m"))[1].trim();
    const sdp = this.pc.currentRemoteDescription.sdp
      .replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${given("ice-ufrag")}`)
      .replace(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${given("ice-pwd")}`);
    await this.pc.setRemoteDescription({ type: "answer", sdp });
  }

  #changed() {
    if (this.pc.connectionState === "failed") {
      this.#end("No connection: is the relay's UDP port open to you?");
    } else if (this.pc.connectionState === "disconnected" && this.resource) {
      this.restart().catch(() => {}); // the connection fails by itself when this does not help
    }
  }

  #end(text) {
    if (this.over) return;
    this.close();
    this.dispatchEvent(new CustomEvent("ended", { detail: text }));
  }

  #delete() {
    return fetch(this.resource, { method: "DELETE", headers: bearer(this.token), keepalive: true }).catch(() => {});
  }
}
