import type { Instance } from "./naming.ts";

/** Has it all of these tags? No tags: yes. */
export function hasTags(instance: Instance, tags: readonly string[]): boolean {
  return tags.every((tag) => instance.tags.includes(tag));
}

/** `10.0.0.5:8005`, `[::1]:8005`. */
export function addressOf({ host, port }: Pick<Instance, "host" | "port">): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Equal for lists that say the same, whatever they were made from. */
export function sameInstances(one: readonly Instance[], other: readonly Instance[]): boolean {
  return one.length === other.length && one.every((instance, i) => isSame(instance, other[i]!));
}

function isSame(one: Instance, other: Instance): boolean {
  return one === other || (one.service === other.service && one.id === other.id &&
    one.incarnation === other.incarnation && one.protocol === other.protocol && one.host === other.host &&
    one.port === other.port && one.zone === other.zone && one.domain === other.domain &&
    one.healthUrl === other.healthUrl && one.tags.length === other.tags.length &&
    one.tags.every((tag, i) => tag === other.tags[i]));
}

/** A registration's problem: a living server has its name. */
export function nameTaken({ service, id }: Instance, holder: Instance): string {
  return `Cannot register ${service} ${id}: the server at ${addressOf(holder)} has this name; give each its own id`;
}
