import { namedSettings, type SettingsSchema } from "./setting.ts";

const CONFIG = { flag: "--config", value: "file", help: "A JSON file with settings; variables and flags win over it" };
const WIDTH = 30;

/** The options of a command, a line or two each, for `--help`. */
export function settingsHelp(schema: SettingsSchema): string {
  const rows = namedSettings(schema).map(({ flag, variable, text }) => ({
    head: `${flag} <${text.value}>`,
    help: text.help,
    also: text.preset === undefined ? variable : `${variable}, default ${text.preset}`,
  }));
  rows.push({ head: `${CONFIG.flag} <${CONFIG.value}>`, help: CONFIG.help, also: "" });
  return rows.map(({ head, help, also }) => {
    const first = head.length < WIDTH ? `  ${head.padEnd(WIDTH)}` : `  ${head}\n${" ".repeat(WIDTH + 2)}`;
    return `${first}${help}${also && `\n${" ".repeat(WIDTH + 2)}${also}`}`;
  }).join("\n");
}

/** The same as a table in Markdown, for README.md. */
export function settingsTable(schema: SettingsSchema): string {
  const rows = namedSettings(schema).map(({ flag, variable, text }) => [
    `\`${variable}\``,
    `\`${flag}\``,
    text.preset === undefined ? "" : `\`${text.preset}\``,
    text.help.replaceAll("|", "\\|"),
  ]);
  rows.push(["", `\`${CONFIG.flag}\``, "", CONFIG.help]);
  return [["variable", "flag", "default", "meaning"], ["---", "---", "---", "---"], ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
