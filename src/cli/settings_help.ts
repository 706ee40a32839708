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

/** All roles' settings as a table in Markdown, for README.md; what several roles have alike is one row. */
export function settingsTable(roles: Readonly<Record<string, SettingsSchema>>): string {
  const rows = new Map<string, { readonly cells: readonly string[]; readonly roles: string[] }>();
  for (const [role, schema] of Object.entries(roles)) {
    for (const { variable, flag, text } of namedSettings(schema)) {
      const preset = text.preset === undefined ? "" : `\`${text.preset}\``;
      const cells = [`\`${variable}\``, `\`${flag}\``, preset, text.help.replaceAll("|", "\\|")];
      const same = rows.get(cells.join());
      if (same) same.roles.push(role);
      else rows.set(cells.join(), { cells, roles: [role] });
    }
  }
  const all = [...rows.values()].map((row) => [...row.cells, row.roles.join(", ")]);
  all.push(["", `\`${CONFIG.flag}\``, "", CONFIG.help, Object.keys(roles).join(", ")]);
  return [["variable", "flag", "default", "meaning", "role"], ["---", "---", "---", "---", "---"], ...all]
    .map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
