import { listenContract } from "../contract/listen.ts";
import { real } from "../contract/wirings.ts";

listenContract(real("tcp", "unix"));
listenContract(real("ws", "unix"));
