/** Supported pairs of Citus and PostgreSQL. */
import assert from "node:assert/strict";
import { describeProblems } from "../../sizing/problem";
import { checkVersions, supportedVersions } from "../../sizing/versions";

describe("checkVersions", () => {
  const good = [
    {},
    { postgresVersion: 15 },
    { citusVersion: "13.2" },
    { citusVersion: "13.2.2", postgresVersion: 17 },
    { citusVersion: "14.0", postgresVersion: 18 },
  ];
  for (const asked of good) it(`accepts ${JSON.stringify(asked)}`, () => assert.deepEqual(checkVersions(asked), []));

  const bad: readonly [Parameters<typeof checkVersions>[0], string][] = [
    [{ postgresVersion: 14 }, "postgresVersion: must be a supported PostgreSQL major (15, 16, 17, 18), got 14"],
    [{ postgresVersion: 16.4 }, "postgresVersion: must be a supported PostgreSQL major (15, 16, 17, 18), got 16.4"],
    [
      { citusVersion: "12.1" },
      'citusVersion: must be a supported Citus version (13.0, 13.1, 13.2, 14.0, with or without a patch number), got "12.1"; did you mean "13.1"?',
    ],
    [
      { citusVersion: "latest" },
      'citusVersion: must be a supported Citus version (13.0, 13.1, 13.2, 14.0, with or without a patch number), got "latest"',
    ],
    [
      { citusVersion: "14.0", postgresVersion: 15 },
      "citusVersion: Citus 14.0 runs on PostgreSQL 16, 17, 18, not on 15; on 15 use Citus 13.0 or 13.1 or 13.2",
    ],
    [
      { citusVersion: "13.2.2", postgresVersion: 18 },
      "citusVersion: Citus 13.2.2 runs on PostgreSQL 15, 16, 17, not on 18; on 18 use Citus 14.0",
    ],
  ];
  for (const [asked, text] of bad)
    it(`refuses ${JSON.stringify(asked)}`, () => assert.equal(describeProblems(checkVersions(asked)), text));

  it("tells both problems at once", () => {
    assert.deepEqual(
      checkVersions({ postgresVersion: 9, citusVersion: "7.0" }).map(({ path }) => path),
      ["postgresVersion", "citusVersion"],
    );
  });

  it("accepts every pair of the table and no other", () => {
    const majors = [15, 16, 17, 18];
    for (const { citus, postgres } of supportedVersions) {
      for (const postgresVersion of majors) {
        assert.equal(
          checkVersions({ citusVersion: citus, postgresVersion }).length === 0,
          postgres.includes(postgresVersion),
        );
      }
    }
  });
});
