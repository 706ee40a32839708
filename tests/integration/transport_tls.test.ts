import { listenContract } from "../contract/listen.ts";
import { real } from "../contract/wirings.ts";

listenContract(real("tcp", "tls"));
listenContract(real("ws", "tls"));
