import { listenContract } from "../contract/listen.ts";
import { memory } from "../contract/wirings.ts";

listenContract(memory("tcp"));
listenContract(memory("ws"));
listenContract(memory("tcp", 7));
listenContract(memory("ws", 11));
