// What makes one JSON object out of another: a merge patch (RFC 7396), since that is how twins are changed.

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);

export function same(one: unknown, other: unknown): boolean {
  if (isObject(one) && isObject(other)) return Object.keys(changes(one, other)).length === 0;
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The patch that makes `wanted` out of `base`; null stands for what goes. */
export function changes(base: Fields, wanted: Fields): Fields {
  const patch: [string, unknown][] = [];
  for (const name of Object.keys(base)) if (!Object.hasOwn(wanted, name)) patch.push([name, null]);
  for (const [name, value] of Object.entries(wanted)) {
    const was = Object.hasOwn(base, name) ? base[name] : undefined;
    if (same(was, value)) continue;
    patch.push([name, isObject(was) && isObject(value) ? changes(was, value) : value]);
  }
  return Object.fromEntries(patch);
}

/** Somebody else changed what is edited. */
export class TwinConflict extends Error {
  constructor(now: Fields) {
    super(`somebody changed it meanwhile to ${JSON.stringify(now)}; read it again`);
  }
}
