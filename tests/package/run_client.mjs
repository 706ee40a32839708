// node|bun|deno run_client.mjs <url> <token of ann> <token of bob> <text>
import process from "node:process";
import { chat, ping, refusal, talk } from "./consumer.ts";

const [url, ann, bob, text] = process.argv.slice(2);
const { sender, body } = await chat(url, { ann, bob }, text);
const facts = { sender, body, refusal: refusal(), ping: ping(), talk: talk?.name };
console.log(JSON.stringify(facts));
