declare module "bittorrent-protocol" {
  /** As much of the stock wire as the tests use. */
  export default class Wire {
    constructor(type?: string);
    use(extension: unknown): void;
    write(b: Uint8Array): void;
    on(event: "data", f: (b: Uint8Array) => void): void;
    on(event: "handshake", f: (infohash: string, peerId: string) => void): void;
    handshake(infohash: Uint8Array, peerId: Uint8Array): void;
    bitfield(b: Uint8Array): void;
    unchoke(): void;
    interested(): void;
    keepAlive(): void;
    request(index: number, offset: number, length: number): void;
    extended(name: string, b: Uint8Array): void;
    destroy(): void;
  }
}
