// Text as bytes and back, UTF-8 only. The one parameter makes a text of bytes.
(function (decode) {
  'use strict';

  class TextEncoder {
    get encoding() { return 'utf-8'; }

    encode(text = '') {
      const bytes = [];
      for (const letter of String(text)) {
        let code = letter.codePointAt(0);
        if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
        if (code < 0x80) bytes.push(code);
        else if (code < 0x800) bytes.push(0xc0 | code >> 6, 0x80 | code & 63);
        else if (code < 0x10000) {
          bytes.push(0xe0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63);
        } else {
          bytes.push(0xf0 | code >> 18, 0x80 | code >> 12 & 63, 0x80 | code >> 6 & 63,
            0x80 | code & 63);
        }
      }
      return new Uint8Array(bytes);
    }
  }

  // How many bytes at the end begin a letter whose rest is still to come.
  function unfinished(bytes) {
    for (let back = 1; back <= 3 && back <= bytes.length; back++) {
      const byte = bytes[bytes.length - back];
      if ((byte & 0xc0) === 0x80) continue;
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
      return length > back ? back : 0;
    }
    return 0;
  }

  class TextDecoder {
    #fatal; #keepsMark; #rest = new Uint8Array(0); #begun = false;

    constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      if (!/^\s*(utf-?8|unicode-1-1-utf-8)\s*$/i.test(label)) {
        throw new RangeError(`the encoding ${label} is not known: only utf-8 is`);
      }
      this.#fatal = Boolean(fatal);
      this.#keepsMark = Boolean(ignoreBOM);
    }

    get encoding() { return 'utf-8'; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#keepsMark; }

    decode(data = new Uint8Array(0), { stream = false } = {}) {
      const fresh = ArrayBuffer.isView(data)
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : new Uint8Array(data);
      let bytes = new Uint8Array(this.#rest.length + fresh.length);
      bytes.set(this.#rest);
      bytes.set(fresh, this.#rest.length);
      const later = stream ? unfinished(bytes) : 0;
      this.#rest = bytes.slice(bytes.length - later);
      bytes = bytes.subarray(0, bytes.length - later);
      const text = decode(bytes, this.#fatal);
      const first = !this.#begun;
      this.#begun = stream && (this.#begun || bytes.length > 0);
      return first && !this.#keepsMark && text[0] === '\ufeff' ? text.slice(1) : text;
    }
  }

  return { TextEncoder, TextDecoder };
})
