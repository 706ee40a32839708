import process from "node:process";
import { ImError } from "../base/errors.ts";
import { type Logger, silent } from "../base/logger.ts";
import { migratePostgres } from "../message/postgres.ts";
import { flagCommand } from "./flag_command.ts";

const FLAGS = [
  { name: "database-url", value: "url", help: "postgres://user:password@host/database; default PETREL_DATABASE_URL" },
  { name: "schema", value: "name", help: "Schema that has the tables; default the URL's ?schema=, then petrel" },
  { name: "restored", help: "The database was put back to an older state: clients are told to read everything anew" },
] as const;

const HELP = `petrel migrate: makes the tables of a PostgreSQL database, or brings them up to date

Safe to run again, and by several at once. A database that cannot be reached is waited for. petrel dev and
petrel royal do the same when they start. --restored is needed only when an older copy of the data was put back while
every server was stopped; see src/docs/postgres.md.

Usage: petrel migrate [options]
`;

/** `petrel migrate`. Gives the exit code: 0 up to date, 1 failed, 2 the options cannot be used. */
export const migrateMain = flagCommand({
  name: "migrate",
  help: HELP,
  flags: FLAGS,
  read({ schema, restored, "database-url": given }, problems) {
    const url = given ?? process.env["PETREL_DATABASE_URL"] ?? "";
    if (!(/^postgres(ql)?:\/\/./.test(url) && URL.canParse(url))) {
      problems.push(url ? "--database-url is no postgres://user:password@host/database" : "--database-url is missing");
    }
    return { url, schema, restored: restored !== undefined };
  },
  async run({ url, schema, restored }) {
    try {
      const steps = await migratePostgres({ url, schema, restored, log: said });
      for (const step of steps) console.log(`Did ${step}`);
      if (restored) console.log("Every log has a new epoch");
      console.log(steps.length > 0 ? "The database is up to date" : "The database was up to date");
      return 0;
    } catch (thrown) {
      console.error(thrown instanceof ImError ? thrown.message : String(thrown));
      return 1;
    }
  },
});

/** What a person waits for. */
const said: Logger = {
  ...silent,
  warn: (message, fields) => console.error(`${message}: ${String(fields?.["problem"] ?? "")}`),
};
