// Connections without sockets, for tests: the same Conn code over pipes.
export { MemoryNet, type MemoryNetOptions } from "./net.ts";
export { pipe, PipeEnd, type PipeOptions } from "./pipe.ts";
