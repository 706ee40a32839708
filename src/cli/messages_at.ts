/** Where messages are kept, for a person; passwords stay out. */
export function messagesAt(
  settings: { royalUrl?: string | undefined; databaseUrl: string | undefined; data: string },
): string {
  const { royalUrl, databaseUrl, data } = settings;
  if (royalUrl !== undefined) return `${royalUrl}   (petrel royal)`;
  if (databaseUrl === undefined) return `${data}/messages.db`;
  const { host, pathname } = new URL(databaseUrl);
  return `postgres://${host}${pathname}`;
}
