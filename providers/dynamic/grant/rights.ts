/** Which rights are missing, and which are this resource's to take back. Pure.
 *  A right is written as PostgreSQL writes it: `SELECT`, and `SELECT*` where it may be passed on; beside the name of its object where objects differ. */
import type { GrantStep } from "./target";

/** Rights by the names of objects on one node. */
export type Held = Readonly<Record<string, readonly string[]>>;

/** Rights that were asked for. */
export interface WantedRights {
  readonly privileges: readonly string[];
  /** May they be passed on? */
  readonly grantable: boolean;
  /** Undefined for all objects there are. */
  readonly names?: readonly string[];
}

const passedOn = (privilege: string) => `${privilege}*`;

/** Is the right held on the name, in the form that was asked for? */
export const holds = (held: Held, name: string, privilege: string, grantable: boolean): boolean => {
  const rights = held[name] ?? [];
  return rights.includes(passedOn(privilege)) || (!grantable && rights.includes(privilege));
};

/** Is a right missing on one of the names? Where `here` has an object and the node has not, the object is the coordinator's alone. */
export const lacks = (wanted: WantedRights, names: readonly string[], held: Held): boolean =>
  names.some(
    (name) => held[name] !== undefined && wanted.privileges.some((one) => !holds(held, name, one, wanted.grantable)),
  );

/** Rights that were there before, and so are not this resource's, as state keeps them: a right alone stands for all objects. */
export function rememberBefore(
  held: Held,
  names: readonly string[],
  wasBefore: (name: string, privilege: string) => string | undefined,
  privileges: readonly string[],
): readonly string[] {
  return privileges.flatMap((privilege) => {
    const found = names.flatMap((name) => {
      const right = wasBefore(name, privilege) ?? rightOf(held, name, privilege);
      return right === undefined || right === "" ? [] : [{ name, right }];
    });
    const [first] = found;
    if (first === undefined) return [];
    const isSame = found.length === names.length && found.every(({ right }) => right === first.right);
    return isSame ? [first.right] : found.map(({ name, right }) => `${right} ${name}`);
  });
}

const rightOf = (held: Held, name: string, privilege: string): string | undefined =>
  (held[name] ?? []).find((right) => right === privilege || right === passedOn(privilege));

/** The right that was there before on a name: `SELECT`, `SELECT*` or undefined. */
export function before(remembered: readonly string[], name: string, privilege: string): string | undefined {
  return [privilege, passedOn(privilege)].find(
    (right) => remembered.includes(right) || remembered.includes(`${right} ${name}`),
  );
}

/** What to do, and what state remembers. */
export interface GrantPlan {
  readonly steps: readonly GrantStep[];
  readonly before: readonly string[];
}

/**
 * Gives what is asked for and missing; takes back what was asked for and is not any more, but for what was there before it.
 * @param held rights on the coordinator, of all names that matter, old and new
 */
export function planGrant(
  wanted: WantedRights,
  held: Held,
  old: WantedRights & { readonly before?: readonly string[] } = { privileges: [], grantable: false, names: [] },
): GrantPlan {
  const there = Object.keys(held).sort();
  const names = wanted.names ?? there;
  const oldNames = old.names ?? there;
  const remembered = old.before ?? [];
  const wasAsked = (name: string, privilege: string) => oldNames.includes(name) && old.privileges.includes(privilege);
  const isAsked = (name: string, privilege: string) => names.includes(name) && wanted.privileges.includes(privilege);
  const given: GrantStep[] =
    wanted.privileges.length === 0 || names.length === 0
      ? []
      : [
          {
            verb: wanted.grantable ? "grant with grant option" : "grant",
            privileges: wanted.privileges,
            ...(wanted.names === undefined ? {} : { names: wanted.names }),
          },
        ];
  const taken = oldNames.flatMap((name) =>
    // What is gone already needs no statement, which might fail with the role.
    old.privileges
      .filter((privilege) => rightOf(held, name, privilege) !== undefined)
      .flatMap((privilege) => {
        const first = before(remembered, name, privilege);
        const verb = isAsked(name, privilege)
          ? old.grantable && !wanted.grantable && first !== passedOn(privilege)
            ? ("revoke grant option" as const)
            : undefined
          : first === undefined
            ? ("revoke" as const)
            : old.grantable && first === privilege
              ? ("revoke grant option" as const)
              : undefined;
        return verb === undefined ? [] : [{ verb, privilege, name }];
      }),
  );
  return {
    steps: [...together(taken), ...given],
    before: rememberBefore(
      held,
      names,
      // Of what was managed before, state knows; an empty text says that it was not there.
      (name, privilege) => (wasAsked(name, privilege) ? (before(remembered, name, privilege) ?? "") : undefined),
      wanted.privileges,
    ),
  };
}

/** As few statements as possible: names that lose the same rights lose them together. */
function together(
  taken: readonly {
    readonly verb: "revoke" | "revoke grant option";
    readonly privilege: string;
    readonly name: string;
  }[],
): readonly GrantStep[] {
  return (["revoke", "revoke grant option"] as const).flatMap((verb) => {
    const own = taken.filter((one) => one.verb === verb);
    const names = [...new Set(own.map(({ name }) => name))];
    const groups = new Map<string, string[]>();
    for (const name of names) {
      const privileges = own
        .filter((one) => one.name === name)
        .map(({ privilege }) => privilege)
        .join();
      groups.set(privileges, [...(groups.get(privileges) ?? []), name]);
    }
    return [...groups].map(([privileges, some]) => ({ verb, privileges: privileges.split(","), names: some }));
  });
}
