/** What is read of a table and its shards, compared with what was asked for. */
import assert from "node:assert/strict";
import { dangers, oddities, takenName, type Wanted } from "../../../../providers/dynamic/row-level-security/comparison";
import type { Definition, Policy } from "../../../../providers/dynamic/row-level-security/relations";

const wanted: Wanted = {
  roles: ["public"],
  admins: ["boss"],
  force: true,
  policy: "tenant",
  adminPolicy: "admin",
  otherPolicies: [],
};
const tenant: Policy = {
  name: "tenant",
  permissive: true,
  command: "*",
  roles: ["public"],
  using: "c",
  check: "c",
};
const admin: Policy = { ...tenant, name: "admin", roles: ["boss"], using: "true", check: "true" };
const whole: Definition = { enabled: true, forced: true, policies: [admin, tenant] };

describe("oddities", () => {
  const none = {
    condition: undefined,
    roles: undefined,
    admins: undefined,
    force: undefined,
    otherPolicies: undefined,
  };
  const table: readonly (readonly [
    why: string,
    definition: Definition | null,
    differs: Readonly<Record<string, unknown>>,
  ])[] = [
    ["nothing", whole, {}],
    ["no WITH CHECK, for which USING serves", { ...whole, policies: [admin, { ...tenant, check: null }] }, {}],
    ["a shard that is missing", null, { condition: "the shard is missing" }],
    ["off", { ...whole, enabled: false }, { condition: "row-level security is off" }],
    ["not forced", { ...whole, forced: false }, { force: false }],
    ["no policy", { ...whole, policies: [admin] }, { condition: 'no policy "tenant"', roles: [] }],
    ["no policy for administrators", { ...whole, policies: [tenant] }, { admins: [] }],
    [
      "another condition",
      { ...whole, policies: [admin, { ...tenant, using: "true" }] },
      { condition: "USING true WITH CHECK c" },
    ],
    [
      "anything may be written",
      { ...whole, policies: [admin, { ...tenant, check: "true" }] },
      { condition: "USING c WITH CHECK true" },
    ],
    [
      "a restrictive one",
      { ...whole, policies: [admin, { ...tenant, permissive: false }] },
      { condition: "restrictive USING c" },
    ],
    [
      "one for SELECT only",
      { ...whole, policies: [admin, { ...tenant, command: "r" }] },
      { condition: "for command r USING c" },
    ],
    ["other roles", { ...whole, policies: [admin, { ...tenant, roles: ["app"] }] }, { roles: ["app"] }],
    ["other administrators", { ...whole, policies: [{ ...admin, roles: ["public"] }, tenant] }, { admins: ["public"] }],
    ["one more", { ...whole, policies: [admin, tenant, { ...tenant, name: "x" }] }, { otherPolicies: ["x"] }],
  ];
  for (const [why, definition, differs] of table) {
    it(`sees ${why}, and names the relation`, () => {
      const relations = [
        { where: "public.t of c:1 and 8 more", definition: whole },
        { where: "public.t_1 of a:1", definition },
      ];
      const expected = Object.entries(differs).map(([name, value]) => [name, { value, where: "public.t_1 of a:1" }]);
      assert.deepEqual(oddities(wanted, "c", relations), { ...none, ...Object.fromEntries(expected) });
    });
  }
});

describe("dangers", () => {
  const on = (definition: Definition, ownerSeesAll = true) => ({
    column: "tenant_id",
    type: "integer",
    steadyText: true,
    owner: "app",
    ownerSeesAll,
    relations: [
      { where: "public.t of c:1", definition: whole },
      { where: "public.t_1 of a:1", definition },
    ],
  });
  const other = { ...tenant, name: "x" };
  const table: readonly (readonly [
    why: string,
    asked: Partial<Wanted>,
    table: ReturnType<typeof on>,
    told: readonly RegExp[],
  ])[] = [
    ["nothing", {}, on(whole), []],
    ["a bound owner who sees less than all", {}, on(whole, false), [/^its owner "app" would lose/]],
    ["not an owner who is free", { force: false }, on(whole, false), []],
    [
      "a policy of others",
      {},
      on({ ...whole, policies: [admin, other, tenant] }),
      [/^public\.t_1 of a:1 has policies of others: "x"/],
    ],
    ["not one that is listed", { otherPolicies: ["x"] }, on({ ...whole, policies: [admin, other, tenant] }), []],
    [
      "a restrictive one, listed or not",
      { otherPolicies: ["x"] },
      on({ ...whole, policies: [admin, { ...other, permissive: false }, tenant] }),
      [/^the policy "x" is restrictive/],
    ],
    ["not one of its own, which is made anew", {}, on({ ...whole, policies: [{ ...tenant, permissive: false }] }), []],
    [
      "all of it at once",
      {},
      on({ ...whole, policies: [{ ...other, permissive: false }] }, false),
      [/owner/, /restrictive/, /policies of others/],
    ],
  ];
  for (const [why, asked, there, told] of table) {
    it(`tells ${why}`, () => {
      const found = dangers({ ...wanted, ...asked }, there);
      assert.equal(found.length, told.length, JSON.stringify(found));
      for (const [index, text] of told.entries()) assert.match(found[index] ?? "", text);
    });
  }
});

describe("takenName", () => {
  const named = (...names: readonly string[]) => [
    { where: "public.t of c:1", definition: { ...whole, policies: names.map((name) => ({ ...tenant, name })) } },
  ];
  const table: readonly (readonly [why: string, asked: Partial<Wanted>, there: readonly string[], taken?: string])[] = [
    ["the same names", {}, ["tenant", "admin"]],
    ["a new name", { policy: "new" }, ["tenant", "admin"]],
    ["names that change places", { policy: "admin", adminPolicy: "tenant" }, ["tenant", "admin"]],
    ["what a killed run has renamed", { policy: "new" }, ["new", "admin"]],
    ["a name of others", { policy: "new" }, ["new", "tenant", "admin"], "new"],
    ["a name of others for administrators", { adminPolicy: "new" }, ["new", "tenant", "admin"], "new"],
  ];
  for (const [why, asked, there, taken] of table) {
    it(`${taken === undefined ? "allows" : "sees"} ${why}`, () => {
      assert.equal(takenName({ ...wanted, ...asked }, wanted, named(...there)), taken);
    });
  }
});
